/** Keys of the `meta` table that more than one stage reads. */
export const META = {
  /** Who stopped all landings, why and when, as JSON; absent while they may begin. */
  freeze: "freeze",
  /** Duplicates refused since the queue was made. */
  dedupHits: "dedup_hits",
  /** Epoch milliseconds of the last cleanup. */
  lastCleanup: "last_cleanup",
  /** Row of the log up to which landed, conflicting and cancelled entries have been swept. */
  sweptDecided: "swept_decided",
  /** The same for failed ones. */
  sweptFailed: "swept_failed",
  /** Run of an agent up to which prompts and answers have been swept. */
  sweptRuns: "swept_runs",
} as const
