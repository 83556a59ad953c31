import type { Json } from "./hash.ts"
import { parseDocument } from "./parse-document.ts"
import { POLICY_VERSION, Policy } from "./policy.ts"
import { fail, ok, type Result } from "./result.ts"
import { parseStrictJson } from "./strict-json.ts"
import { keyPath, unknownKey, type Violation } from "./violation.ts"

/** Where the value in force comes from, weakest first. */
export type Origin =
  | "default"
  | "user config"
  | "policy (workspace)"
  | "policy (base)"
  | "environment"
  | "flag"

/** One setting by its dotted key, as `config show` lists it. */
export interface Setting {
  readonly key: string
  readonly value: Json
  readonly origin: Origin
}

type Document = Readonly<Record<string, unknown>>

/** `config.json` of the user's configuration folder: what concerns this machine and nobody's safety. */
export interface UserConfig {
  readonly workers?: number
  readonly agents?: number
  readonly agent?: Partial<Policy["agent"]>
}
const USER_KEYS: ReadonlySet<string> = new Set(["workers", "agents", "agent", "$schema"])

export interface SettingsInput {
  readonly policy: {
    readonly policy: Policy
    readonly source: "base" | "workspace" | "default"
    /** Keys the policy's file sets itself. */
    readonly given: Document
  }
  readonly user: UserConfig | null
  readonly env: Readonly<Record<string, string | undefined>>
  /** By dotted key, only those that were given: `{"agent.model": "x"}`. */
  readonly flags?: Readonly<Record<string, Json>>
}

export interface EffectiveSettings {
  /** The policy with everything below and above it merged in: what a command works by. */
  readonly policy: Policy
  readonly settings: readonly Setting[]
}

/** A setting some origin gives a value that it cannot have. */
export interface SettingProblem extends Violation {
  readonly origin: Origin
}

/** Variables that are settings. */
const VARIABLES: Readonly<Record<string, string>> = { HYPERION_AGENT: "agent.harness" }

/** Flag > environment > policy > user config > default. Pure. */
export const effectiveSettings = ({
  policy,
  user,
  env,
  flags = {},
}: SettingsInput): Result<EffectiveSettings, readonly SettingProblem[]> => {
  const fromEnv = Object.entries(VARIABLES).flatMap(([name, key]) => {
    const value = env[name]
    return value === undefined || value === "" ? [] : [[key, value] as const]
  })
  const layers: readonly (readonly [Origin, Document])[] = [
    ["flag", nested(Object.entries(flags))],
    ["environment", nested(fromEnv)],
    [`policy (${policy.source === "base" ? "base" : "workspace"})`, policy.given],
    ["user config", (user ?? {}) as Document],
  ]
  const originOf = (path: readonly string[]): Origin =>
    layers.find(([, layer]) => has(layer, path))?.[0] ?? "default"
  const merged = layers.reduceRight<Document>((below, [, layer]) => merge(below, layer), {
    version: POLICY_VERSION,
  })
  const parsed = parseDocument(Policy, merged)
  if (!parsed.ok)
    return fail(
      parsed.error.map((problem) => ({
        ...problem,
        origin: originOf(problem.path.replace(/\[.*$/, "").split(".")),
      })),
    )
  return ok({
    policy: parsed.value,
    settings: leaves(parsed.value).map(({ path, value }) => ({
      key: path.join("."),
      value,
      origin: originOf(path),
    })),
  })
}

/** Reads the user's configuration. What decides over safety is refused by name: it belongs where others see it. */
export const parseUserConfig = (bytes: Uint8Array): Result<UserConfig, readonly Violation[]> => {
  const json = parseStrictJson(bytes)
  if (!json.ok)
    return fail([
      {
        code: `json_${json.error.code}`,
        path: "",
        message: `line ${json.error.line}, column ${json.error.column}: ${json.error.message}`,
        hint: "correct its JSON",
      },
    ])
  const { value } = json
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return fail([
      { code: "schema", path: "", message: "it is not an object", hint: 'write {"agent": {"harness": "…"}}' },
    ])
  const document = value as Document
  const foreign = Object.keys(document)
    .filter((key) => !USER_KEYS.has(key))
    .map((key) => (Object.hasOwn(Policy.entries, key) ? misplaced(key) : unknownKey(keyPath("", key))))
  if (foreign.length > 0) return fail(foreign)
  const parsed = parseDocument(Policy, { ...document, version: POLICY_VERSION })
  if (!parsed.ok) return fail(parsed.error)
  // As it was written: the defaults of the schema are not the user's word.
  return ok(document as UserConfig)
}

const misplaced = (key: string): Violation => ({
  code: "not_a_user_setting",
  path: key,
  message: `${key} decides over safety and cannot be set in a user's configuration`,
  hint: `set ${key} in hyperion.json; only workers, agents and agent belong here`,
})

export interface SettingChange {
  readonly key: string
  /** Undefined: it was, or is, not set. */
  readonly from: Json | undefined
  readonly to: Json | undefined
}

/** What differs between two policies, key by key. */
export const changedSettings = (before: Policy, after: Policy): readonly SettingChange[] => {
  const [old, now] = [before, after].map(
    (policy) => new Map(leaves(policy).map(({ path, value }) => [path.join("."), value])),
  ) as [Map<string, Json>, Map<string, Json>]
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .filter((key) => JSON.stringify(old.get(key)) !== JSON.stringify(now.get(key)))
    .map((key) => ({ key, from: old.get(key), to: now.get(key) }))
}

/** Keys that are no settings. */
const ABOUT: ReadonlySet<string> = new Set(["$schema", "version"])

const isDocument = (value: unknown): value is Document =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Every value that is no section, by its path. A list is one value; so is a section without keys. */
const leaves = (policy: Policy): readonly { readonly path: readonly string[]; readonly value: Json }[] => {
  const walk = (value: unknown, path: readonly string[]): { path: readonly string[]; value: Json }[] =>
    isDocument(value) && Object.keys(value).length > 0
      ? Object.entries(value).flatMap(([key, item]) => walk(item, [...path, key]))
      : value === undefined
        ? []
        : [{ path, value: value as Json }]
  return walk(policy, []).filter(({ path }) => !ABOUT.has(path[0] ?? ""))
}

const has = (document: Document, path: readonly string[]): boolean => {
  let at: unknown = document
  for (const key of path) {
    if (!isDocument(at) || !Object.hasOwn(at, key)) return false
    at = at[key]
  }
  return true
}

const merge = (below: Document, above: Document): Document => ({
  ...below,
  ...Object.fromEntries(
    Object.entries(above).map(([key, value]) => {
      const under = Object.hasOwn(below, key) ? below[key] : undefined
      return [key, isDocument(value) && isDocument(under) ? merge(under, value) : value]
    }),
  ),
})

/** `[["agent.model", "x"]]` → `{agent: {model: "x"}}`. */
const nested = (values: readonly (readonly [string, Json])[]): Document =>
  values.reduce<Document>(
    (document, [key, value]) =>
      merge(
        document,
        key.split(".").reduceRight<Json>((inner, part) => ({ [part]: inner }), value) as Document,
      ),
    {},
  )
