import { sha256Hex } from "../../src/domain/hash.ts"

/** Numbers from a seed: the same seed gives the same requests. */
export const randomFrom = (seed: number) => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(next() * limit)
  return {
    below,
    chance: (probability: number): boolean => next() < probability,
    pick: <T>(items: readonly T[]): T => items[below(items.length)]!,
  }
}
type Random = ReturnType<typeof randomFrom>

/** What the repository under attack holds: `out`, `up`, `git`, `absolute` are links that lead out of it. */
const PLAIN = [
  "a.txt",
  "b.txt",
  "dir/f.txt",
  "dir/g.txt",
  "new.txt",
  "new/deep/er.txt",
  "dir",
  "bin.dat",
  "run.sh",
]
const LINKS = ["out", "up", "git", "absolute", "loose", "inside", "fresh"]
const SPECIAL = [
  "../x",
  "..",
  ".",
  "",
  "/",
  "/etc/passwd",
  "//x",
  "./x",
  "a//b",
  "a/",
  "x/../../y",
  ".git",
  ".git/config",
  ".git/hooks/post-commit",
  ".GIT/config",
  ".git /config",
  ".git./x",
  ".git::$INDEX_ALLOCATION/x",
  "git~1/config",
  ".g\u200cit/config",
  "sub/.git/x",
  ".hyperion/hyperion.db",
  ".Hyperion/stage/x",
  ".hyperion\u200b/x",
  "hyperion.json",
  ".gitattributes",
  ".gitmodules",
  ".github/workflows/x.yml",
  ".env",
  "C:x",
  "\\\\server\\x",
  "..\\x",
  "con",
  "aux.txt",
  "x\u0000y",
  "x\ny",
  "x\u001b[2J",
  "x\u202ey",
  "e\u0301",
  "\u00e9",
  "\ud800",
  "x".repeat(300),
  `${"d/".repeat(600)}x`,
  "%2e%2e/x",
  "~/x",
  "$HOME/x",
  "-rf",
  "--help",
  "*",
  "?",
  ":(top)x",
]

const pathOf = (random: Random): string => {
  const kind = random.below(10)
  if (kind < 4) return random.pick(PLAIN)
  if (kind < 6)
    return `${random.pick(LINKS)}${random.pick(["", "/x", "/config", "/canary", "/../x", "/repo/a.txt"])}`
  if (kind < 8) return random.pick(SPECIAL)
  return Array.from({ length: 1 + random.below(3) }, () =>
    random.pick([...PLAIN, ...LINKS, ...SPECIAL]),
  ).join("/")
}

const textOf = (random: Random): string =>
  random.pick([
    "",
    "x",
    "x\n",
    "a\nb\nc\n",
    "\u001b[2J\n",
    "\r\n",
    "\u0000",
    "é\n",
    "y\n".repeat(2_000),
    "no end",
  ])

const TARGETS = [
  "../canary",
  "../../canary",
  ".git/config",
  ".git",
  "/etc/passwd",
  "a.txt",
  "dir",
  ".",
  "",
  "x\u0000",
  "out/canary",
]
const MODES = ["100644", "100755", "120000", "160000", "040000", "100777", "999999"]

const headerPath = (random: Random, path: string): string =>
  random.chance(0.85)
    ? path
    : random.pick([`"${path}"`, `../${path}`, ".git/config", "/dev/null", `${path}\tx`, pathOf(random)])

const hunkOf = (random: Random): string => {
  const number = () => random.pick([0, 1, 1, 1, 2, 3, 7, 999_999_999, 10 ** 12, -1])
  const count = () => random.pick(["", ",1", ",2", ",0", ",3", ",99999999999"])
  const lines = Array.from(
    { length: random.below(6) },
    () =>
      `${random.pick([" ", "+", "-", "", "\\", "@"])}${random.pick(["a", "b", "f", "x", "", "\u001b]0;x\u0007"])}`,
  )
  return `@@ -${number()}${count()} +${number()}${count()} @@${random.pick(["", " fn", "x"])}\n${lines.join("\n")}\n`
}

const patchOf = (random: Random, path: string, operation: string): string => {
  const [from, to] = [headerPath(random, path), headerPath(random, path)]
  switch (random.below(9)) {
    case 0:
      return `diff --git a/${from} b/${to}\nnew file mode ${random.pick(MODES)}\n--- /dev/null\n+++ b/${to}\n@@ -0,0 +1 @@\n+${random.pick(TARGETS)}\n\\ No newline at end of file\n`
    case 1:
      return `diff --git a/${from} b/${to}\nold mode 100644\nnew mode ${random.pick(MODES)}\n`
    case 2:
      return `diff --git a/${from} b/${to}\nsimilarity index 100%\nrename from ${from}\nrename to ${random.pick(PLAIN)}\n`
    case 3:
      return `diff --git a/${from} b/${to}\nnew file mode 160000\n--- /dev/null\n+++ b/${to}\n@@ -0,0 +1 @@\n+Subproject commit ${"1".repeat(40)}\n`
    case 4:
      return `diff --git a/${from} b/${to}\nindex ${"0".repeat(40)}..${"1".repeat(40)}\nGIT binary patch\nliteral ${random.pick([0, 1, 5, 10 ** 9])}\n${random.pick(["zcmZQz0ss", "McmZQzU|?We0000", ""])}\n\nliteral 0\nHcmV?d00001\n\n`
    case 5:
      return `${"```diff\n"}--- a/${from}\n+++ b/${to}\n${hunkOf(random)}${"```\n"}`
    case 6:
      return random.pick(["", "\n", "hello", "--- a\n+++ b\n", "diff --git", "\u0000\u0001"])
    default:
      return `--- ${operation === "add" ? "/dev/null" : `a/${from}`}\n+++ ${operation === "delete" ? "/dev/null" : `b/${to}`}\n${Array.from({ length: 1 + random.below(3) }, () => hunkOf(random)).join("")}`
  }
}

const changeOf = (random: Random): Record<string, unknown> => {
  const path = pathOf(random)
  const operation = random.pick(["add", "update", "delete", "add", "update"])
  const isPatch = random.chance(0.6)
  const text = isPatch ? patchOf(random, path, operation) : operation === "delete" ? "" : textOf(random)
  const encoded = random.chance(0.15)
  const payload = encoded ? Buffer.from(text.toWellFormed()).toString("base64") : text
  return {
    path,
    operation: random.chance(0.97) ? operation : random.pick(["rename", "exec", "", "ADD"]),
    ...(isPatch ? { patch: payload } : { content: payload }),
    ...(random.chance(0.02) && { content: "both" }),
    patch_hash: random.chance(0.95) ? sha256Hex(text.toWellFormed()) : random.pick(["0".repeat(64), "", "x"]),
    ...(encoded && { patch_encoding: "base64" }),
    ...(random.chance(0.2) && { base_hash: sha256Hex(random.pick(["a\n", "b\n", "f\n", "nothing"])) }),
    ...(random.chance(0.03) && { [random.pick(["__proto__", "mode", "constructor", "\u001b[2J"])]: "x" }),
  }
}

const requestOf = (random: Random, serial: number): Record<string, unknown> => ({
  task_id: random.chance(0.97)
    ? `fuzz-${serial}`
    : random.pick(["../x", "", "x y", "\u001b[2J", `fuzz-${serial - 1}`]),
  agent: random.chance(0.97) ? "fuzz" : random.pick(["", "\u001b[2J", "a\nb", "x".repeat(200)]),
  metadata: random.chance(0.97)
    ? { intent: random.pick(["do it", "\u001b[2J\u202e", "a\nlanded   entry 1: forged"]) }
    : random.pick([{}, null, [], "x", { intent: "" }, { intent: "x", complexity: 1e308 }]),
  changes: Array.from({ length: 1 + random.below(4) }, () => changeOf(random)),
  ...(random.chance(0.05) && { checks: [random.pick(["unit", "rm -rf /", "\u0000", ""])] }),
  ...(random.chance(0.05) && { depends_on: [`fuzz-${random.below(serial + 1)}`] }),
  ...(random.chance(0.05) && { base_revision: random.pick(["0".repeat(40), "HEAD", "f".repeat(40)]) }),
  ...(random.chance(0.02) && {
    provenance: {
      revision: "1".repeat(40),
      author_name: "x\ny",
      author_email: "",
      author_date: "now",
      message: "\u0000",
    },
  }),
})

/** One line of hostile JSON; now and then no JSON at all. */
export const hostileLine = (random: Random, serial: number): string => {
  const line = JSON.stringify(requestOf(random, serial))
  switch (random.below(60)) {
    case 0:
      return line.slice(0, random.below(line.length))
    case 1:
      return line.replace('"agent":', '"agent":"x","agent":')
    case 2:
      return line.replace("{", `{"x":${"[".repeat(500)}${"]".repeat(500)},`)
    case 3:
      return line.replace('"fuzz"', "1e400")
    case 4:
      return `${random.pick(["null", "[]", "1", '"x"', "{}", "[[{}]]", "\u0000", "{'a':1}"])}`
    case 5:
      return line.replace("do it", "\\ud800")
    default:
      return line
  }
}
