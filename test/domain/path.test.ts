import { describe, expect, test } from "bun:test"
import { join, relative, sep } from "node:path"
import * as FastCheck from "effect/FastCheck"
import {
  collisionKey,
  linkTargetProblems,
  type PathRules,
  pathProblems,
  touchesProtected,
} from "../../src/domain/path.ts"

const NEW: PathRules = { style: "portable", isNew: true }
const OLD: PathRules = { style: "portable", isNew: false }
const POSIX: PathRules = { style: "posix", isNew: true }
const codes = (path: string, rules = NEW) => pathProblems(path, rules).map((problem) => problem.code)

test("ordinary paths pass", () => {
  for (const path of [
    "a",
    "src/main.ts",
    "src/.hidden/x",
    ".gitignore",
    ".github/workflows/ci.yml",
    ".gitattributes",
    "docs/ä ö/日本語.md",
    "a..b/c...d",
    "-x",
    "~/x",
    "git",
    "hyperion/git.ts",
    "a.git/b",
    "console.ts",
    "com10",
    "a~b",
    "x'y&z(1)[2]{3}#%20",
  ])
    expect([path, codes(path)]).toEqual([path, []])
})

describe("safety holds for every style, new or not", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["", "path_component"],
    ["/etc/passwd", "path_absolute"],
    ["../x", "path_traversal"],
    ["a/../../x", "path_traversal"],
    ["a/..", "path_traversal"],
    ["./a", "path_component"],
    ["a//b", "path_component"],
    ["a/", "path_component"],
    ["a/./b", "path_component"],
    ["a\u0000b", "path_invisible"],
    ["a\nb", "path_invisible"],
    ["a\u009bb", "path_invisible"],
    ["a\u202eb", "path_invisible"],
    ["a\u2066b", "path_invisible"],
    ["a\u200bb", "path_invisible"],
    ["\ufeffa", "path_invisible"],
    ["a\ud800b", "path_invisible"],
    [".git", "path_protected"],
    [".git/config", "path_protected"],
    ["sub/.git/hooks/x", "path_protected"],
    [".GIT/config", "path_protected"],
    [".hyperion/hyperion.db", "path_protected"],
    ["a/.Hyperion", "path_protected"],
    [".g\u200cit/config", "path_protected"],
    [".git\u2063/x", "path_protected"],
    [".git./x", "path_protected"],
    [".git /x", "path_protected"],
    [".git. . ./x", "path_protected"],
    [".git::$INDEX_ALLOCATION/x", "path_protected"],
    [".git:stream", "path_protected"],
    ["git~1/config", "path_protected"],
    ["GIT~1/config", "path_protected"],
    ["gi7eba~1", "path_protected"],
    ["HYPERI~1/x", "path_protected"],
    ["a\\.git\\config", "path_protected"],
    [".Ｇit/x", "path_protected"],
    [".gıt/x", "path_protected"],
    ["x".repeat(256), "path_component_too_long"],
    ["ä".repeat(128), "path_component_too_long"],
    ["x/".repeat(600), "path_too_long"],
  ]
  for (const [path, code] of cases)
    test(`${JSON.stringify(path.slice(0, 30))} is ${code}`, () => {
      for (const rules of [NEW, OLD, POSIX]) expect(codes(path, rules)).toContain(code)
    })
})

describe("portability is asked of new names under portable only", () => {
  const cases: readonly (readonly [string, string])[] = [
    ["a\\b", "path_character"],
    ["C:x", "path_character"],
    ["a*", "path_character"],
    ["a|b/c", "path_character"],
    ['a"b', "path_character"],
    ["a./b", "path_trailing"],
    ["a /b", "path_trailing"],
    ["...", "path_trailing"],
    ["nul", "path_device"],
    ["src/Aux.c", "path_device"],
    ["COM1.txt", "path_device"],
    ["com¹", "path_device"],
    ["lpt9.a.b", "path_device"],
    ["con .x", "path_device"],
    ["CONIN$", "path_device"],
    ["PROGRA~1/x", "path_short_name"],
    ["a~1.txt", "path_short_name"],
    ["e\u0301.md", "path_not_nfc"],
    ["\u2764\ufe0f.md", "path_ignorable"],
  ]
  for (const [path, code] of cases)
    test(`${JSON.stringify(path)} is ${code}`, () => {
      expect(codes(path, NEW)).toContain(code)
      expect(codes(path, OLD)).toEqual([])
      expect(codes(path, POSIX)).toEqual([])
    })
})

test("the limits are inclusive", () => {
  expect(codes("x".repeat(255))).toEqual([])
  expect(codes(`${"x".repeat(255)}/${"x".repeat(255)}/${"x".repeat(255)}/${"x".repeat(256)}`)).toEqual([
    "path_component_too_long",
  ])
  expect(codes(`${`${"x".repeat(255)}/`.repeat(4)}`.slice(0, 1_023))).toEqual([])
})

test("a collision key folds case and Unicode form only where portable", () => {
  expect(collisionKey("Ä/É", "portable")).toBe(collisionKey("a\u0308/e\u0301", "portable"))
  expect(collisionKey("\u212a", "portable")).toBe("k")
  expect(collisionKey("A", "posix")).toBe("A")
})

/** Parts that are dangerous alone or next to each other, between ordinary letters. */
const PARTS = [
  ..."/ /./../.git/.GIT/.hyperion/git~1/GIT~2/HYPERI~1/.g/it/.hy/perion/\\/:/::$INDEX_ALLOCATION/::$DATA/ /./..".split(
    "/",
  ),
  ..."\u0000 \u001b \u007f \u0085 \u009b \u00a0 \u00ad \u034f \u061c \u200b \u200c \u200d \u200e \u202e \u2028 \u2060 \u2066 \u206a \u2024 \u2025 \u2100 \ufe0f \ufeff \uff0e \uff0f \uff27 \u0130 \u0131 \u212a \u017f \ud800 \udc00".split(
    " ",
  ),
  ...'a b x.ts README %2e%2e %2F ~ - * ? " < > | C: con NUL.txt e\u0301 é ﬁ'.split(" "),
  "/",
  "/",
  "/",
  "x".repeat(300),
]

const naive = (text: string) => text.normalize("NFKC").toLowerCase()

test("60,000 hostile paths: what is accepted stays inside and touches no protected folder", () => {
  const root = join(sep, "srv", "root")
  const seen = { accepted: 0, refused: 0 }
  const path = FastCheck.array(FastCheck.constantFrom(...PARTS), { minLength: 1, maxLength: 6 }).map(
    (parts) => parts.join(""),
  )
  FastCheck.assert(
    FastCheck.property(path, FastCheck.constantFrom(NEW, OLD, POSIX), (text, rules) => {
      if (pathProblems(text, rules).length > 0) {
        seen.refused++
        return true
      }
      seen.accepted++
      const target = join(root, text)
      const inside = relative(root, target)
      return (
        target.startsWith(root + sep) &&
        inside === text &&
        !text.includes("\0") &&
        !naive(inside)
          .split(/[/\\]/)
          .some((part) => /^\.(?:git|hyperion)(?:[. ]*$|[. ]*:)/.test(part))
      )
    }),
    { numRuns: 60_000 },
  )
  // Both sides must have been tried in earnest.
  expect(seen.accepted).toBeGreaterThan(3_000)
  expect(seen.refused).toBeGreaterThan(20_000)
})

test("whatever is put around and into .git, a folding file system's view decides", () => {
  const dust = FastCheck.constantFrom(
    "",
    "\u200c",
    "\u200d",
    "\ufeff",
    "\u2060",
    "\u00ad",
    "\ufe0f",
    "\u034f",
  )
  const tail = FastCheck.constantFrom("", ".", " ", "..", ". ", "::$INDEX_ALLOCATION", ":x")
  const name = FastCheck.constantFrom(".git", ".hyperion", "git~1", "hyperi~1")
  FastCheck.assert(
    FastCheck.property(
      name,
      tail,
      FastCheck.array(dust, { minLength: 10, maxLength: 10 }),
      FastCheck.array(FastCheck.boolean(), { minLength: 10, maxLength: 10 }),
      FastCheck.constantFrom("", "a/", "a/b/", "a\\"),
      (base, ending, between, upper, before) => {
        const dressed = [...base]
          .map((char, index) => (upper[index] ? char.toUpperCase() : char) + between[index])
          .join("")
        return touchesProtected(`${before}${dressed}${ending}`) && touchesProtected(`${dressed}${ending}/x`)
      },
    ),
    { numRuns: 5_000 },
  )
})

describe("targets of symbolic links", () => {
  const cases: readonly (readonly [string, string, string | null])[] = [
    ["a", "b", null],
    ["a", ".", null],
    ["d/a", "..", null],
    ["d/e/a", "../../b/c", null],
    ["d/a", "./x//y", null],
    ["a", "", "link_target_malformed"],
    ["a", "b\u0000", "link_target_malformed"],
    ["a", "/etc/passwd", "link_target_absolute"],
    ["a", "..", "link_target_outside"],
    ["d/a", "../..", "link_target_outside"],
    ["d/a", "./.././../x", "link_target_outside"],
    ["d/a", "s/../x", "link_target_roundabout"],
    ["d/a", "../b/../../x", "link_target_roundabout"],
    ["a", ".git/hooks", "link_target_protected"],
    ["d/a", "../.GIT", "link_target_protected"],
    ["a", "x/.hyperion", "link_target_protected"],
  ]
  for (const [path, target, code] of cases)
    test(`${path} → ${JSON.stringify(target)}`, () => {
      expect(linkTargetProblems(path, target).map((problem) => problem.code)).toEqual(
        code === null ? [] : [code],
      )
    })

  test("an accepted target stays inside, wherever the link stands", () => {
    const part = FastCheck.constantFrom("..", ".", "", "a", "b", ".git", "..a")
    const path = FastCheck.array(FastCheck.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 })
    FastCheck.assert(
      FastCheck.property(path, FastCheck.array(part, { minLength: 1, maxLength: 6 }), (folders, parts) => {
        const [link, target] = [folders.join("/"), parts.join("/")]
        if (linkTargetProblems(link, target).length > 0) return true
        const root = join(sep, "srv", "root")
        const reached = join(root, link, "..", target).replace(/\/$/, "")
        return (reached === root || reached.startsWith(root + sep)) && !reached.includes("/.git")
      }),
      { numRuns: 5_000 },
    )
  })
})
