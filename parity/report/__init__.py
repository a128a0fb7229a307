"""Reports: shows results as text, HTML and files for other programs."""
