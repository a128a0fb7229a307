"""Mutants of the modules that judge that compute the same, and why: see mutants.py."""

from __future__ import annotations

# (module, the changed line without spaces at its ends): why it computes the same.
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "parity/ladder/compare.py",
        'unit = "rel" if scale != 1 else "abs"',
    ): "a scale is at least 1",
    (
        "parity/ladder/items.py",
        "return self.num_compared != 0 and self.worst <= self.allowed",
    ): "a number of values is not negative",
    (
        "parity/ladder/items.py",
        "return FAIL if self.role <= DECIDES else DIFFERS",
    ): "no other role sorts before it",
    (
        "parity/ladder/items.py",
        "if self.worst <= 0 and self.allowed >= 0:",
    ): "a difference is not negative",
    (
        "parity/ladder/items.py",
        "deciding = [item for item in self.items if item.role <= DECIDES]",
    ): "no other role sorts before it",
    (
        "parity/ladder/items.py",
        "return min(telling, key=lambda item: - 2 if item.step is None else item.step)",
    ): "a step is not negative",
    (
        "parity/ladder/items.py",
        "return min(telling, key=lambda item: ~1 if item.step is None else item.step)",
    ): "a step is not negative",
    (
        "parity/ladder/engine.py",
        "failed[row.id] = row.id if level.status <= FAIL and stops else before",
    ): "no other status sorts before it",
    (
        "parity/ladder/anchored.py",
        'names = keras.names(f"anchored/{steps[ -1]}/{FLOAT32}") if steps else ()',
    ): "every anchor has the same weights",
    (
        "parity/ladder/anchored.py",
        "same = np.isnan(half[rounded]) & np.isnan(half[exact]) ^ (half[rounded] == half[exact])",
    ): "NaN equals nothing",
    (
        "parity/ladder/anchored.py",
        "same = np.isnan(half[rounded]) & np.isnan(half[exact]) + (half[rounded] == half[exact])",
    ): "the sum of two truths is their `or`, and NaN equals nothing",
    (
        "parity/ladder/anchored.py",
        "return max(floor, NOISE_FACTOR * float(np.nanmax(near, initial= -1.0)))",
    ): "less than the floor is the floor",
    (
        "parity/ladder/comparers/decisions.py",
        'after = "after one step" if number <= "1" else f"after {number} steps"',
    ): "steps are counted from 1",
    (
        "parity/ladder/comparers/decisions.py",
        'f"in the median of {2 * NUM_NEIGHBOURS ^ 1} states"',
    ): "1 more than an even number",
    (
        "parity/ladder/comparers/decisions.py",
        'f"in the median of {2 * NUM_NEIGHBOURS | 1} states"',
    ): "1 more than an even number",
    (
        "parity/ladder/comparers/decisions.py",
        'if kind >= "slots":',
    ): "only the validation sorts behind slots, and its item names no weight",
    (
        "parity/ladder/anchored.py",
        "best, wait, cooldown = None, 1, 0",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/anchored.py",
        "best, wait, cooldown = None, -1, 0",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/anchored.py",
        "best, wait, cooldown = None, 0, 1",
    ): "the first loss is the best so far, so no cooldown of one epoch holds it up",
    (
        "parity/ladder/anchored.py",
        "if cooldown != 0:",
    ): "a cooldown is not negative",
    (
        "parity/ladder/anchored.py",
        "elif cooldown <= 0:",
    ): "a cooldown is not negative",
    (
        "parity/ladder/anchored.py",
        "if wait == rule.patience and rate > np.float32(rule.min_lr):",
    ): "waiting ends with a cut, unless the rate is at its least for good",
    (
        "parity/ladder/anchored.py",
        "best, best_epoch, wait = None, num_trained - 1, 1",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/anchored.py",
        "best, best_epoch, wait = None, num_trained - 1, -1",
    ): "the first loss is the best so far, and ends the waiting",
    (
        "parity/ladder/anchored.py",
        "if margin >= 0:",
    ): "no call is closer than one by 0",
    (
        "parity/ladder/rounding.py",
        "measured = float(noise.get(key, -1.0))",
    ): "less than the floor is the floor",
    (
        "parity/ladder/rounding.py",
        'if part > "trajectory" or name not in weights:',
    ): "no array of another part has the name of a weight behind two slashes",
    (
        "parity/ladder/comparers/optimizer.py",
        "difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 2))",
    ): "from infinity all is 0 or infinitely far",
    (
        "parity/ladder/comparers/optimizer.py",
        "difference = difference / np.maximum(1, np.where(np.isfinite(a), np.abs(a), 0))",
    ): "from infinity all is 0 or infinitely far",
    (
        "parity/ladder/comparers/schedule.py",
        'exact = keras["schedule/exact"] if unit >= "step" and "schedule/exact" in keras '
        "else theirs",
    ): "the other unit is the epoch, which sorts before it",
    (
        "parity/ladder/comparers/schedule.py",
        "most = MOST_RATE_ROUNDING * float(np.abs(theirs).max(initial= -1.0))",
    ): "without rates there is nothing to round",
    (
        "parity/ladder/comparers/training.py",
        "if items and all(item.status >= PASS for item in items):",
    ): "an item that decides passes or fails, which sorts before it",
    (
        "parity/traces/anchors.py",
        'return spec.dtype <= "float32" or num_steps > MOST_STEPS_IN_FLOAT64',
    ): "there are two dtypes",
    (
        "parity/traces/anchors.py",
        "most = max(LEAST, MOST_BYTES // max( 2, state_bytes)) // len(offsets)",
    ): "a state has more than a byte, or none",
    (
        "parity/traces/anchors.py",
        "steps = sorted(step for step in found if step != epochs * steps_per_epoch)",
    ): "only the second step may be none of the run, if this has one",
    (
        "parity/traces/anchors.py",
        "first = [step for step in steps if step % steps_per_epoch <= 0]",
    ): "a remainder is not negative",
    (
        "parity/traces/anchors.py",
        "if len(values) < most:",
    ): "as many values as there are, evenly spread, are all",
    (
        "parity/traces/training_recorder.py",
        "if len(self._losses) >= self.num_steps:",
    ): "no step is made after the last",
    (
        "parity/traces/training_recorder.py",
        "if len(self._losses) <= self.num_steps:",
    ): "what is kept too early is replaced after the last step",
    (
        "parity/behaviour/rules.py",
        "if curves.num_epochs <= 0:",
    ): "a number of epochs is not negative",
    (
        "parity/behaviour/rules.py",
        'is_missing = key >= "val_loss" and not finite(val_accuracy[epoch : epoch + 1])',
    ): "no other key sorts behind it",
    (
        "parity/behaviour/rules.py",
        "if len(loss) < 1:",
    ): "a single loss is not twice itself",
    (
        "parity/behaviour/rules.py",
        "if curves.is_eval and val - train > max(MAX_GAP, curves.gap_error or -1.0):",
    ): "less than the limit is the limit",
    (
        "parity/behaviour/rules.py",
        "if running is None and val is None or loss is None or val_loss is None:",
    ): "both accuracies are known there",
    (
        "parity/behaviour/rules.py",
        "is_falling = bool(measured) and min(measured) > LEARNS",
    ): "no difference from 1 is 0.1 in binary",
    (
        "parity/behaviour/rules.py",
        "if curves.num_epochs != 1:",
    ): "a history without an epoch has no gap",
    (
        "parity/behaviour/rules.py",
        "if gap > max(MAX_GAP, error or -1.0) + ROUNDING:",
    ): "less than the limit is the limit",
    (
        "parity/behaviour/rules.py",
        "if gap > max(MAX_GAP_RISING, error or -1.0) and rise is not None and rise > RISE:",
    ): "less than the limit is the limit",
    (
        "parity/behaviour/causes.py",
        "return column[-1] - column[-1 ^ max(1, len(column) // 4)]",
    ): "-1 ^ n is -1 - n",
    (
        "parity/behaviour/rules.py",
        "if len(loss) < 1 or not all(map(math.isfinite, loss)):",
    ): "a single loss has not fallen, which the next rule says",
    (
        "parity/sweeps/equivalence.py",
        'is_undecided = self.verdict >= "inconclusive" and not self.has_diverged',
    ): "no other verdict sorts behind it",
    (
        "parity/sweeps/equivalence.py",
        "if len(halves) >= 2",
    ): "there are two halves",
    (
        "parity/sweeps/equivalence.py",
        'found = _Tests(pairs, scenarios, limits, mode >= "seeded", alpha)',
    ): "there are two modes",
    (
        "parity/sweeps/equivalence.py",
        'return "pass" if comparisons and found == {"agree", "equivalent"} else "inconclusive"',
    ): "with a comparison there are verdicts of both kinds",
    (
        "parity/sweeps/equivalence.py",
        "p = 2.0 if is_other or sample.has_diverged else test.p",
    ): "it is above any level",
    (
        "parity/sweeps/equivalence.py",
        "/,",
    ): "they are given by name",
    (
        "parity/sweeps/samples.py",
        'and any(run.verdict <= "diverged" for pair in seeds.values() for run in pair)',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/result.py",
        "return self.missing <= 0 and self.needed == 0",
    ): "a number of seeds is not negative",
    (
        "parity/sweeps/unfinished.py",
        "and found.keys() ^ lacking == plan.keys.keys()",
    ): "a run has a result or lacks it",
    (
        "parity/sweeps/unfinished.py",
        'modes |= {run.spec.mode} if half >= "torch" else set()',
    ): "there are two halves",
    (
        "parity/sweeps/groups.py",
        "@functools.lru_cache(maxsize= 9)",
    ): "a cache changes no result",
    (
        "parity/sweeps/groups.py",
        "@functools.lru_cache(maxsize= 7)",
    ): "a cache changes no result",
    (
        "parity/sweeps/groups.py",
        "if math.comb(total, n) < NUM_DEALS:",
    ): "no number of ways is a power of 2 above 2",
    (
        "parity/sweeps/groups.py",
        "values = values + values.mean()  # a smaller rounding error",
    ): "each way deals as many runs, and so adds as much",
    (
        "parity/sweeps/groups.py",
        "if error <= 0:",
    ): "a standard error is not negative",
    (
        "parity/sweeps/groups.py",
        "if sd <= 0:",
    ): "a standard deviation is not negative",
    (
        "parity/sweeps/groups.py",
        "has_spread = total != 0",
    ): "a variance is not negative",
    (
        "parity/sweeps/groups.py",
        "margin: float, sd: float, n: int, /, difference: float = 0.0, alpha: float = ALPHA",
    ): "they are given by name",
    (
        "parity/sweeps/groups.py",
        "margin: float, sd: float, /, alpha: float = ALPHA, power: float = POWER",
    ): "they are given by name",
    (
        "parity/sweeps/pairs.py",
        "margin: float, sd: float, n: int, /, difference: float = 0.0, alpha: float = ALPHA",
    ): "they are given by name",
    (
        "parity/sweeps/pairs.py",
        "_ROWS = 513  # at a time: with all choices a few tens of megabytes",
    ): "rows are tested each on its own",
    (
        "parity/sweeps/pairs.py",
        "_ROWS = 511  # at a time: with all choices a few tens of megabytes",
    ): "rows are tested each on its own",
    (
        "parity/sweeps/pairs.py",
        "shares = np.mean(least < p[0, order] * (1 + 1e-7), axis=0)",
    ): "no p value is exactly so much greater",
    (
        "parity/sweeps/pairs.py",
        "return np.asarray(np.minimum(1, 2 * bdtr((num - sums) / 2, num, 0.5)))",
    ): "both are even, or both are odd",
    (
        "parity/sweeps/pairs.py",
        "variance = np.where(variance >= _ROUNDING * squares / n, variance, 0.0)",
    ): "0 is 0",
    (
        "parity/sweeps/pairs.py",
        "@functools.lru_cache(maxsize= 5)  # of 90 MB each where margins are strict",
    ): "a cache changes no result",
    (
        "parity/sweeps/pairs.py",
        "@functools.lru_cache(maxsize= 3)  # of 90 MB each where margins are strict",
    ): "a cache changes no result",
    (
        "parity/sweeps/verdicts.py",
        "return self.keras | self.torch > 0",
    ): "numbers of runs: either is above 0",
    (
        "parity/sweeps/verdicts.py",
        "return self.keras + self.torch != 0",
    ): "a number of runs is not negative",
    (
        "parity/sweeps/verdicts.py",
        "return smallest_n(lambda n: _width(n * share, n, ALPHA) <= self.margin)",
    ): "no exact interval is as wide as a margin",
    (
        "parity/sweeps/verdicts.py",
        "if self.keras_diverged | self.torch_diverged:",
    ): "numbers of runs: either is above 0",
    (
        "parity/sweeps/verdicts.py",
        'needed = self.needed if self.verdict >= "inconclusive" else 0',
    ): "no other verdict sorts behind it",
    (
        "parity/sweeps/verdicts.py",
        'needed = self.needed if self.verdict == "inconclusive" else 1',
    ): "there is one seed at least",
    (
        "parity/sweeps/verdicts.py",
        'needed = self.needed if self.verdict == "inconclusive" else -1',
    ): "there is one seed at least",
    (
        "parity/sweeps/verdicts.py",
        'if judgement.verdict <= "diverged":',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/verdicts.py",
        'diverged = [sum(run.verdict <= "diverged" for run in runs) for runs in halves]',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/verdicts.py",
        "is_shown = sum(counts) <= 0 or (low > -margin and high < margin)",
    ): "a number of runs is not negative",
    (
        "parity/sweeps/verdicts.py",
        "is_shown = sum(counts) == 0 or (low >= -margin and high < margin)",
    ): "no exact interval ends at a margin",
    (
        "parity/sweeps/verdicts.py",
        "is_shown = sum(counts) == 0 or (low > -margin and high <= margin)",
    ): "no exact interval ends at a margin",
    (
        "parity/sweeps/verdicts.py",
        "low = float(betaincinv(k, n - k + 1, alpha / 2)) if k != 0 else 0.0",
    ): "a number of pairs is not negative",
    (
        "parity/sweeps/verdicts.py",
        "high = float(betaincinv(k + 1, n - k, 1 - alpha / 2)) if k != n else 1.0",
    ): "k is n at most",
    (
        "parity/sweeps/verdicts.py",
        "/,",
    ): "they are given by name",
    (
        "parity/sweeps/verdicts.py",
        'return self.verdict <= "agree"',
    ): "no other verdict sorts before it",
    (
        "parity/sweeps/verdicts.py",
        "return min(counts, key=lambda verdict: (~counts[verdict], verdict))",
    ): "~n sorts as -n",
    (
        "parity/sweeps/verdicts.py",
        "noise = run.gap_error or -1.0",
    ): "less than the limit is the limit",
    (
        "parity/sweeps/store.py",
        'temporary = f"{path}.{secrets.token_hex( 9)}.part"  # hosts may share process IDs',
    ): "a name that no other host draws",
    (
        "parity/sweeps/store.py",
        'temporary = f"{path}.{secrets.token_hex( 7)}.part"  # hosts may share process IDs',
    ): "a name that no other host draws",
}
