import { unreadFlags } from "./flags.ts"
import { codeOf, type Import, importsOf, resolved, roomOf, type Source } from "./source.ts"

export interface Law {
  readonly name: string
  /** Every breach as `path: what`; empty when the law is kept. */
  readonly breaches: (sources: readonly Source[]) => readonly string[]
  /** A source that breaks it, so that the law is known to be able to fail, and one that keeps it. */
  readonly broken: Source
  readonly kept: Source
}

const source = (path: string, text: string): Source => ({ path, text })

const each =
  (applies: (path: string) => boolean, find: (source: Source) => readonly string[]) =>
  (sources: readonly Source[]): readonly string[] =>
    sources.flatMap((one) => (applies(one.path) ? find(one).map((what) => `${one.path}: ${what}`) : []))

const inSrc = (path: string): boolean => path.startsWith("src/") && path.endsWith(".ts")
const matches = (text: string, pattern: RegExp): readonly string[] =>
  [...codeOf(text).matchAll(pattern)].map(([found]) => found.trim())

// ---- who may import whom

const STAGES: ReadonlySet<string> = new Set(
  "patch validator queue candidate guard approval apply audit agent engineer orchestrator intake telemetry merge".split(
    " ",
  ),
)
/** `app.ts` and its parts (`app-intake.ts` …): the composition root, in files that commands load only when they need them. */
const isApp = (room: string): boolean => /^app(-[a-z]+)?\.ts$/.test(room)
const isJoiner = (room: string): boolean => room === "worker" || room === "operations" || isApp(room)
const SURFACES: ReadonlySet<string> = new Set(["cli", "repl", "tui", "mcp"])
const rank = (room: string): number | null => {
  if (room === "domain") return 0
  if (room === "platform") return 1
  if (STAGES.has(room)) return 2
  if (isJoiner(room)) return 3
  if (SURFACES.has(room)) return 4
  return room === "main.ts" || room === "globals.d.ts" ? 5 : null
}

const layerBreach = (from: string, to: string): string | null => {
  const [lower, upper] = [rank(roomOf(to)), rank(roomOf(from))]
  if (lower === null || upper === null) return `${roomOf(lower === null ? to : from)} is no room of the house`
  if (roomOf(from) === roomOf(to)) return null
  if (lower > upper) return `imports ${to}, which lies above it`
  if (lower === 2 && upper === 2) return `a stage imports another stage, ${to}`
  // The command line opens the other surfaces; they know nothing of each other.
  if (lower === 4 && upper === 4 && roomOf(from) !== "cli") return `a surface imports another surface, ${to}`
  return null
}

const layers: Law = {
  name: "domain ← platform ← stages ← worker, operations, app ← cli, repl, tui, mcp ← main; no stage imports another",
  breaches: each(inSrc, ({ path, text }) => [
    ...(rank(roomOf(path)) === null ? [`${roomOf(path)} is no room of the house`] : []),
    ...importsOf(text).flatMap(({ specifier }) => {
      const target = resolved(path, specifier)
      const breach = target?.startsWith("src/") ? layerBreach(path, target) : null
      return breach === null ? [] : [breach]
    }),
  ]),
  broken: source("src/queue/x.ts", 'import type { Y } from "../patch/parse.ts"\n'),
  kept: source(
    "src/operations/x.ts",
    'import { Y } from "../patch/parse.ts"\nimport { Z } from "../worker/z.ts"\n',
  ),
}

const thinSurfaces: Law = {
  name: "a surface calls operations: of a stage it imports types only",
  breaches: each(
    (path) => inSrc(path) && SURFACES.has(roomOf(path)),
    ({ path, text }) =>
      importsOf(text)
        .filter(({ specifier, typeOnly }) => {
          const target = resolved(path, specifier)
          return !typeOnly && target !== null && STAGES.has(roomOf(target))
        })
        .map(({ specifier }) => `imports ${specifier} itself`),
  ),
  broken: source("src/cli/x.ts", 'import { QueueService } from "../queue/QueueService.ts"\n'),
  kept: source("src/cli/x.ts", 'import type { QueueFull } from "../queue/QueueService.ts"\n'),
}

const external = (allowed: (specifier: string) => boolean) => (one: Source) =>
  importsOf(one.text)
    .filter(({ specifier }: Import) => !specifier.startsWith(".") && !allowed(specifier))
    .map(({ specifier }) => `imports ${specifier}`)

const domainPackages: Law = {
  name: "domain imports valibot and canonicalize, no other package",
  breaches: each(
    (path) => path.startsWith("src/domain/"),
    external((specifier) => specifier === "valibot" || specifier === "canonicalize"),
  ),
  broken: source("src/domain/x.ts", 'import { join } from "node:path"\n'),
  kept: source("src/domain/x.ts", 'import * as v from "valibot"\n'),
}

const mainIsBare: Law = {
  name: "main imports neither Effect nor the app at start",
  breaches: each(
    (path) => path === "src/main.ts",
    ({ text }) =>
      importsOf(text)
        .filter(({ specifier }) => /^(?:@?effect(?:\/|$))|app(-[a-z]+)?\.ts$/.test(specifier))
        .map(({ specifier }) => `imports ${specifier}`),
  ),
  broken: source("src/main.ts", 'import * as Effect from "effect/Effect"\n'),
  kept: source("src/main.ts", 'import { dispatch } from "./cli/dispatch.ts"\n'),
}

// ---- purity

const PURE = /^src\/(?:domain\/|patch\/|orchestrator\/split|merge\/policy|apply\/plan)/
const AMBIENT =
  /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bperformance\.now\(|\bcrypto\.(?:randomUUID|getRandomValues)\(|\brandom(?:UUID|Bytes|Int)\(|\b(?:process|Bun)\.env\b|\bBun\.(?:nanoseconds|spawn|spawnSync|sleep)\b/g
const WORLD =
  /\bprocess\.|\bBun\.(?:file|write|stdin|stdout|stderr|serve|connect|listen|\$)|\bfetch\(|\bsetTimeout\(|\bsetInterval\(/g
const PURE_MODULES = new Set(["valibot", "canonicalize", "diff", "node:zlib", "node:path", "node:crypto"])

const purity: Law = {
  name: "pure parts know no Effect, clock, chance, process or file",
  breaches: each(
    (path) => PURE.test(path),
    (one) => [
      ...external((specifier) => PURE_MODULES.has(specifier))(one),
      ...matches(one.text, AMBIENT),
      ...matches(one.text, WORLD),
    ],
  ),
  broken: source("src/patch/x.ts", "export const now = () => Date.now()\n"),
  kept: source(
    "src/patch/x.ts",
    "// Date.now() would be wrong here.\nexport const day = (at: number) => new Date(at)\n",
  ),
}

const ambient: Law = {
  name: "clock, chance, environment and processes come through services of platform",
  // Where the process begins its environment is taken once, and handed on as a value.
  breaches: each(
    (path) => inSrc(path) && !/^src\/(?:platform\/|main\.ts$|cli\/run-program\.ts$)/.test(path),
    ({ text }) => [
      ...matches(text, AMBIENT),
      ...importsOf(text)
        .filter(({ specifier, typeOnly }) => !typeOnly && /^node:(?:child_process|os)$/.test(specifier))
        .map(({ specifier }) => `imports ${specifier}`),
    ],
  ),
  broken: source("src/queue/x.ts", 'const user = process.env["USER"]\n'),
  kept: source("src/queue/x.ts", "const now = yield* Clock.currentTimeMillis\n"),
}

const files: Law = {
  name: "files are touched by platform, and by candidate and apply, whose work they are",
  breaches: each(
    (path) => inSrc(path) && !/^src\/(?:platform|candidate|apply)\//.test(path),
    ({ text }) => [
      ...matches(text, /\bBun\.(?:file|write)\(/g),
      ...importsOf(text)
        .filter(({ specifier, typeOnly }) => !typeOnly && /^node:fs(?:\/promises)?$/.test(specifier))
        .map(({ specifier }) => `imports ${specifier}`),
    ],
  ),
  broken: source("src/queue/x.ts", 'import { readFileSync } from "node:fs"\n'),
  kept: source("src/candidate/x.ts", 'import { readFileSync } from "node:fs"\n'),
}

// ---- Effect, SQL, output

const subpaths: Law = {
  name: "Effect is imported by subpath",
  breaches: each(
    (path) => path.endsWith(".ts"),
    ({ text }) =>
      importsOf(text)
        .filter(({ specifier }) => /^(?:effect|@effect\/platform|@effect\/platform-bun)$/.test(specifier))
        .map(({ specifier }) => `imports all of ${specifier}`),
  ),
  broken: source("src/queue/x.ts", 'import { Effect } from "effect"\n'),
  kept: source("src/queue/x.ts", 'import * as Effect from "effect/Effect"\n'),
}

const provide: Law = {
  name: "Effect.provide stands only in app.ts and test/support",
  breaches: each(
    (path) => path.endsWith(".ts") && path !== "src/app.ts" && !path.startsWith("test/support/"),
    ({ text }) => matches(text, /\bEffect\.provide\(/g),
  ),
  broken: source("test/queue/x.test.ts", "program.pipe(Effect.provide(layer))\n"),
  kept: source("src/app.ts", "program.pipe(Effect.provide(layer))\n"),
}

const SQL =
  /["'`]\s*(?:SELECT\s[^"'`]*\bFROM|INSERT\s+(?:OR\s+\w+\s+)?INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+(?:UNIQUE\s+)?(?:TABLE|INDEX|TRIGGER|VIEW)|ALTER\s+TABLE|DROP\s+(?:TABLE|INDEX)|WITH\s+(?:RECURSIVE\s+)?\w+\s*(?:\(|AS\b))/gi
const CONNECTION = /["'`]\s*(?:PRAGMA\s+\w|BEGIN\b|COMMIT\b|ROLLBACK\b|SAVEPOINT\b|VACUUM\b)/g

const sql: Law = {
  name: "SQL stands in *.sql and *.sql.ts; what concerns the connection in platform",
  breaches: each(
    (path) => inSrc(path) && !path.endsWith(".sql.ts"),
    ({ path, text }) => [
      ...matches(text, SQL),
      ...(path.startsWith("src/platform/") ? [] : matches(text, CONNECTION)),
    ],
  ),
  broken: source("src/queue/x.ts", "const NEXT = `\n  SELECT id FROM entries`\n"),
  kept: source("src/queue/x.sql.ts", "const NEXT = `\n  SELECT id FROM entries`\n"),
}

const migrations: Law = {
  name: "*.sql files stand in platform/migrations",
  breaches: each(
    (path) => path.startsWith("src/") && path.endsWith(".sql"),
    ({ path }) => (path.startsWith("src/platform/migrations/") ? [] : ["is outside"]),
  ),
  broken: source("src/queue/x.sql", ""),
  kept: source("src/platform/migrations/0001.sql", ""),
}

const noConsole: Law = {
  name: "nothing in src writes to the console",
  breaches: each(inSrc, ({ text }) => matches(text, /\bconsole\.\w+/g)),
  broken: source("src/cli/x.ts", "console.error(message)\n"),
  kept: source("src/cli/x.ts", "// console.log would bypass the sink\n"),
}

const branded: Law = {
  name: "only the validator makes a ValidatedChangeRequest",
  breaches: each(
    (path) => inSrc(path) && !/^src\/validator\/(?:validate|base-hashes)\.ts$/.test(path),
    ({ text }) => matches(text, /\bas\s+(?:unknown\s+as\s+)?ValidatedChangeRequest\b/g),
  ),
  broken: source("src/queue/x.ts", "enqueue(document as ValidatedChangeRequest)\n"),
  kept: source("src/queue/x.ts", "const enqueue = (change: ValidatedChangeRequest) => change\n"),
}

// ---- form

const barrels: Law = {
  name: "there are no barrels",
  breaches: each(inSrc, ({ path, text }) => [
    ...(path.endsWith("/index.ts") ? ["is an index.ts"] : []),
    ...matches(text, /^export \* (?:as \w+ )?from .*/gm),
  ]),
  broken: source("src/queue/index.ts", 'export { x } from "./x.ts"\n'),
  kept: source("src/queue/x.ts", "export const x = 1\n"),
}

const extensions: Law = {
  name: "relative imports carry their extension",
  breaches: each(
    (path) => path.endsWith(".ts"),
    ({ text }) =>
      importsOf(text)
        .filter(({ specifier }) => specifier.startsWith(".") && !/\.(?:ts|sql|json)$/.test(specifier))
        .map(({ specifier }) => `imports ${specifier}`),
  ),
  broken: source("src/queue/x.ts", 'import { y } from "./y"\n'),
  kept: source("src/queue/x.ts", 'import { y } from "./y.ts"\n'),
}

export const MAX_BYTES = 16 * 1024
export const MAX_LINES = 400

const sizes: Law = {
  name: "a file is at most 16 KiB and 400 lines",
  breaches: each(inSrc, ({ text }) => {
    const [bytes, lines] = [Buffer.byteLength(text), text.split("\n").length - 1]
    return [
      ...(bytes > MAX_BYTES ? [`is ${bytes} bytes`] : []),
      ...(lines > MAX_LINES ? [`has ${lines} lines`] : []),
    ]
  }),
  broken: source("src/queue/x.ts", "\n".repeat(MAX_LINES + 1)),
  kept: source("src/queue/x.ts", "\n".repeat(MAX_LINES)),
}

/** `docs/ROADMAP.md` must be among the sources: it names the tag of every open end. */
const openEnds: Law = {
  name: "an open end in code carries a tag that docs/ROADMAP.md names",
  breaches: (sources) => {
    const roadmap = sources.find(({ path }) => path === "docs/ROADMAP.md")?.text ?? ""
    return each(
      // Tests quote what lazy agents write.
      (path) => path.endsWith(".ts") && !path.startsWith("test/"),
      ({ text }) =>
        [...text.matchAll(/\b(?:TODO|FIXME|XXX|HACK)\b(?:\(([\w-]+)\))?/g)]
          .filter(([, tag]) => tag === undefined || !roadmap.includes(tag))
          .map(([found]) => found),
    )(sources)
  },
  broken: source("src/queue/x.ts", "// TODO later\n"),
  kept: source("src/queue/x.ts", "// later\n"),
}

const skips: Law = {
  name: "a skipped test says why on the line above, and none runs alone",
  breaches: each(
    (path) => path.endsWith(".test.ts"),
    ({ text }) => {
      const lines = text.split("\n")
      return lines.flatMap((line, index) => {
        if (/\b(?:test|it|describe)\.only\(/.test(line)) return [line.trim()]
        const skipped = /\b(?:test|it|describe)\.(?:skip|skipIf|if|todo|todoIf|failing)\(/.test(line)
        return skipped && !/^\s*(?:\/\/ |\*\/|\/\*\* )/.test(lines[index - 1] ?? "") ? [line.trim()] : []
      })
    },
  ),
  broken: source("test/queue/x.test.ts", 'test("a", () => {})\ntest.skip("b", () => {})\n'),
  kept: source("test/queue/x.test.ts", '// Needs bubblewrap.\ntest.skipIf(!bwrap)("b", () => {})\n'),
}

const flags: Law = {
  name: "every flag and argument that a command declares is read by its action",
  breaches: (sources) =>
    each(
      (path) => path.startsWith("src/cli/commands/"),
      (command) => unreadFlags(sources, command),
    )(sources),
  broken: source(
    "src/cli/commands/x.ts",
    'export default defineCommand({\n  args: {\n    agent: { type: "string" },\n    limit: { type: "integer" },\n  },\n  run: ({ args, output }) => list(args.limit, output),\n})\n',
  ),
  kept: source(
    "src/cli/commands/x.ts",
    'export default defineCommand({\n  args: {\n    agent: { type: "string" },\n    limit: { type: "integer" },\n  },\n  run: ({ args: { agent, limit }, output }) => list(agent, limit, output),\n})\n',
  ),
}

export const LAWS: readonly Law[] = [
  layers,
  thinSurfaces,
  domainPackages,
  mainIsBare,
  purity,
  ambient,
  files,
  subpaths,
  provide,
  sql,
  migrations,
  noConsole,
  branded,
  barrels,
  extensions,
  sizes,
  openEnds,
  skips,
  flags,
]
