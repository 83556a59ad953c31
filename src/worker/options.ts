/** What a worker was told. */
export interface TurnOptions {
  readonly worker: string
  /** Also run the checks that the changes name. */
  readonly runChecks: boolean
  /** Overrules `queue.batch`. */
  readonly limit?: number | undefined
  /** Works on this entry alone. */
  readonly only?: number | undefined
  /** Overrules the attempts an entry was queued with. */
  readonly maxAttempts?: number | undefined
}
