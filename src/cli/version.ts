declare const HYPERION_VERSION: string | undefined
declare const HYPERION_COMMIT: string | undefined

/** Put in by scripts/build.ts; a run from source says so instead. */
export const VERSION = typeof HYPERION_VERSION === "string" ? HYPERION_VERSION : "0.0.0-source"
export const COMMIT = typeof HYPERION_COMMIT === "string" ? HYPERION_COMMIT : "unbuilt"
