/** Make Bun or Node load foreign code or change what a binary is: no child ever sees them, whoever asks. */
const LOADERS: ReadonlySet<string> = new Set(["BUN_OPTIONS", "BUN_BE_BUN", "NODE_OPTIONS"])

const SECRET_WORD =
  /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|APIKEY|COOKIE|(^|_)(KEYS?|PWD|PAT|AUTH|HEADERS)(_|$)/
const SECRET_OWNER =
  /^(AWS|AZURE|GCP|GOOGLE|GITHUB|GH|GITLAB|NPM|DOCKER|SSH|GPG|VAULT|ANTHROPIC|CLAUDE|OPENAI|CODEX|GEMINI|COPILOT)_/
const SECRET_VALUE = /:\/\/[^/@\s]+:[^/@\s]+@/

/** Whether a variable of this name is taken for a credential. Errs towards yes: `PWD` alone is the one exception. */
export const looksSecret = (name: string): boolean => {
  const upper = name.toUpperCase()
  return upper !== "PWD" && (SECRET_WORD.test(upper) || SECRET_OWNER.test(upper))
}

export interface ChildEnvOptions {
  /** The operator's environment. Only `PATH`, `HOME`, `LANG` and the names below are taken from it. */
  readonly source: Readonly<Record<string, string | undefined>>
  /** Further names to pass on. A name or value that looks like a secret is dropped all the same. */
  readonly allow?: readonly string[]
  /** Names passed on although they look secret: for the one process a credential belongs to. */
  readonly credentials?: readonly string[]
  /** Values set last. */
  readonly set?: Readonly<Record<string, string>>
}

/** A child's whole environment: a fixed base, what is allowed, what is set; never a loader variable. */
export const childEnv = (options: ChildEnvOptions): Record<string, string> => {
  const env: Record<string, string> = {
    PATH: options.source["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: options.source["HOME"] ?? "/",
    LANG: options.source["LANG"] ?? "C.UTF-8",
    TERM: "dumb",
  }
  for (const name of options.allow ?? []) {
    const value = options.source[name]
    if (value !== undefined && !looksSecret(name) && !SECRET_VALUE.test(value)) env[name] = value
  }
  for (const name of options.credentials ?? []) {
    const value = options.source[name]
    if (value !== undefined) env[name] = value
  }
  return withoutLoaders({ ...env, ...options.set })
}

export const withoutLoaders = (env: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !LOADERS.has(name.toUpperCase())))
