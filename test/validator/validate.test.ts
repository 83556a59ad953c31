import { describe, expect, test } from "bun:test"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { ApprovalClaim } from "../../src/domain/approval.ts"
import { sha256Hex } from "../../src/domain/hash.ts"
import { ValidatorService } from "../../src/validator/ValidatorService.ts"
import { RULES } from "../../src/validator/validate.ts"
import {
  anyPatch,
  assignment,
  change,
  guard,
  patched,
  policy,
  request,
  told,
  validate,
  violations,
} from "./support.ts"

const PATCH = "--- a/src/a.ts\n+++ b/src/a.ts\n@@ -1 +1 @@\n-a\n+b\n"

test("a sound change request passes and keeps its fields", () => {
  const result = validate(request())
  expect(result.ok).toBe(true)
  if (result.ok) {
    expect(result.value.metadata.complexity).toBe(1)
    expect(result.value.changes).toHaveLength(1)
  }
})

test("every rule file is part of the validator", () => {
  const files = readdirSync(join(import.meta.dir, "../../src/validator/rules"))
  expect(files).toHaveLength(RULES.length)
})

test("all violations are told at once, also around a malformed field", () => {
  const document = request({
    agent: "",
    extra: 1,
    another: 2,
    metadata: {},
    changes: [change("../x", { patch_hash: "0".repeat(64) }), { path: "b", operation: "move" }],
    checks: ["rm -rf /"],
  })
  expect([...told(document)].sort()).toEqual([
    "check_not_allowed@checks[0]",
    "missing@changes[1].patch_hash",
    "missing@metadata.intent",
    "patch_hash_mismatch@changes[0].patch_hash",
    "path_traversal@changes[0].path",
    "schema@agent",
    "schema@changes[1].operation",
    "unknown_key@another",
    "unknown_key@extra",
  ])
})

test("every violation says what and how to mend it, without raw agent bytes", () => {
  const nasty = "\u001b]52;c;x\u0007\u202e\u009b31m"
  const found = violations(
    {
      [nasty]: 1,
      task_id: nasty,
      agent: nasty,
      metadata: { intent: "x", approvals: [{ approver: nasty }] },
      changes: [change(`${nasty}/../.git/x`), change(nasty, { operation: nasty })],
      checks: [nasty],
    },
    { assignment: assignment({ file_targets: [nasty] }), tasks: "known" },
  )
  expect(found.length).toBeGreaterThan(6)
  for (const { code, path, message, hint } of found) {
    expect(code).toMatch(/^[a-z][a-z_]+$/)
    expect(message.length).toBeGreaterThan(5)
    expect(hint.length).toBeGreaterThan(5)
    expect(path + message + hint).not.toMatch(/[\p{Cc}\p{Cf}]/u)
  }
})

test("a broken document is refused, not thrown at", () => {
  for (const document of [null, 1, "x", [], [[]], true, { changes: {} }, { changes: [null, 1, []] }])
    expect(violations(document).length).toBeGreaterThan(0)
  expect(
    violations(JSON.parse('{"__proto__": {"task_id": "R1-1"}, "constructor": 1}')).length,
  ).toBeGreaterThan(5)
  const sound = request()
  expect(told(JSON.parse(`{"__proto__": 1, ${JSON.stringify(sound).slice(1)}`))).toEqual([
    "unknown_key@__proto__",
  ])
})

test("a later schema version is named, once", () => {
  expect(told(request({ schema_version: 1 }))).toEqual([])
  expect(told(request({ schema_version: 2 }))).toEqual(["unsupported_version@schema_version"])
  expect(told(request({ schema_version: null }))).toEqual(["unsupported_version@schema_version"])
})

describe("payload", () => {
  test("exactly one of patch and content", () => {
    expect(told(request({ changes: [{ ...change("a"), patch: PATCH }] }))).toEqual([
      "payload_twice@changes[0]",
    ])
    const { content: _, ...neither } = change("a")
    expect(told(request({ changes: [neither] }))).toEqual(["payload_missing@changes[0]"])
  })

  test("a delete may carry empty content, nothing else", () => {
    expect(told(request({ changes: [change("a", { operation: "delete", content: "" })] }))).toEqual([])
    expect(told(request({ changes: [change("a", { operation: "delete", content: "x" })] }))).toEqual([
      "delete_with_content@changes[0].content",
    ])
  })

  test("an add has no base", () => {
    const base_hash = "0".repeat(64)
    expect(told(request({ changes: [change("a", { base_hash })] }))).toEqual([
      "base_hash_on_add@changes[0].base_hash",
    ])
    expect(told(request({ changes: [change("a", { base_hash, operation: "update" })] }))).toEqual([])
  })

  test("patch_hash is over the raw bytes, base64 undone", () => {
    const bytes = new Uint8Array([0, 255, 10, 13])
    const content = Buffer.from(bytes).toString("base64")
    const encoded = (over: Record<string, unknown>) =>
      told(request({ changes: [change("a", { content, patch_encoding: "base64", ...over })] }))
    expect(encoded({ patch_hash: sha256Hex(bytes) })).toEqual([])
    expect(encoded({})).toEqual(["patch_hash_mismatch@changes[0].patch_hash"])
    expect(encoded({ content: "AP8KDQ" })).toEqual(["payload_encoding@changes[0].content"])
    expect(encoded({ content: "A P8=" })).toEqual(["payload_encoding@changes[0].content"])
  })

  test("every changed byte of the payload is found", () => {
    for (let at = 0; at < PATCH.length; at++) {
      const other = `${PATCH.slice(0, at)}~${PATCH.slice(at + 1)}`
      const document = request({ changes: [patched("src/a.ts", other, { patch_hash: sha256Hex(PATCH) })] })
      expect(told(document)).toEqual(["patch_hash_mismatch@changes[0].patch_hash"])
    }
  })
})

describe("patch alignment", () => {
  test("the parser sees the decoded bytes and what was declared; its verdict is placed", () => {
    const seen: unknown[] = []
    const document = request({
      changes: [
        change("src/b.ts"),
        patched("src/a.ts", Buffer.from(PATCH).toString("base64"), {
          patch_encoding: "base64",
          patch_hash: sha256Hex(PATCH),
        }),
      ],
    })
    const found = violations(document, {}, (bytes, declared) => {
      seen.push([Buffer.from(bytes).toString(), declared])
      return { code: "no_patch", message: "has no hunk", hint: "send a diff" }
    })
    expect(seen).toEqual([[PATCH, { path: "src/a.ts", operation: "update", paths: "portable" }]])
    expect(found).toEqual([
      { code: "no_patch", path: "changes[1].patch", message: "has no hunk", hint: "send a diff" },
    ])
  })
})

describe("paths of one request", () => {
  const paths = (...rows: readonly [string, string][]) =>
    told(
      request({
        changes: rows.map(([operation, path]) =>
          change(path, { operation, ...(operation === "delete" ? { content: "" } : {}) }),
        ),
      }),
    )

  test("a path twice only as delete then add", () => {
    expect(paths(["delete", "a"], ["add", "a"])).toEqual([])
    expect(paths(["add", "a"], ["delete", "a"])).toEqual(["path_twice@changes[1].path"])
    expect(paths(["update", "a"], ["update", "a"])).toEqual(["path_twice@changes[1].path"])
    expect(paths(["delete", "a"], ["add", "a"], ["add", "a"])).toEqual(["path_twice@changes[2].path"])
  })

  test("spellings of one file collide; a rename of case and names already there do not", () => {
    expect(paths(["add", "src/A.ts"], ["add", "src/a.ts"])).toEqual(["path_collision@changes[1].path"])
    expect(paths(["update", "README"], ["add", "readme"])).toEqual(["path_collision@changes[1].path"])
    expect(paths(["delete", "README"], ["add", "readme"])).toEqual([])
    expect(paths(["add", "readme"], ["delete", "README"])).toEqual(["path_collision@changes[1].path"])
    expect(paths(["update", "README"], ["update", "readme"])).toEqual([])
    expect(
      told(request({ changes: [change("A"), change("a")] }), { policy: policy({ paths: "posix" }) }),
    ).toEqual([])
  })

  test("nothing lies inside a file", () => {
    expect(paths(["add", "a"], ["add", "a/b/c"])).toEqual(["path_inside_file@changes[1].path"])
    expect(paths(["add", "a/b"], ["add", "A"])).toEqual(["path_inside_file@changes[0].path"])
    expect(paths(["delete", "a"], ["add", "a/b"])).toEqual([])
    expect(paths(["delete", "a/b"], ["add", "a"])).toEqual([])
    expect(paths(["add", "ab"], ["add", "a/b"])).toEqual([])
  })

  test("path rules apply, portability to new names only", () => {
    expect(paths(["add", "/etc/passwd"])).toEqual(["path_absolute@changes[0].path"])
    expect(paths(["update", "aux.c"], ["add", "b/aux.c"])).toEqual(["path_device@changes[1].path"])
  })
})

describe("tasks", () => {
  test("where tasks must be known, an unknown one is refused", () => {
    expect(told(request(), { tasks: "known" })).toEqual(["task_unknown@task_id"])
    expect(told(request(), { tasks: "open" })).toEqual([])
    expect(told(request(), { tasks: "known", assignment: assignment() })).toEqual([])
    expect(told(request({ task_id: "R1-2" }), { assignment: assignment() })).toEqual([
      "task_mismatch@task_id",
    ])
    expect(told(request({ depends_on: ["R1-1"] }))).toEqual(["depends_on_itself@depends_on"])
  })

  test("changes stay within the assignment's files", () => {
    const document = request({ changes: [change("src/a.ts"), change("src/b.ts"), change("src/A.ts")] })
    expect(told(document, { assignment: assignment() }).slice(1)).toEqual([
      "outside_file_targets@changes[1].path",
      "outside_file_targets@changes[2].path",
    ])
    expect(told(request(), { assignment: assignment({ file_targets: [] }) })).toEqual([
      "outside_file_targets@changes[0].path",
    ])
  })

  test("an assignment completes its answer; the agent's word replaces nothing", () => {
    const claim = { approver: "reviewer", note: "ok" }
    const known = assignment({
      checks: ["unit"],
      depends_on: ["R1-0"],
      metadata: { intent: "assigned", complexity: 7, telemetry_anchors: ["t"], approvals: [claim] },
    })
    const document = request({
      metadata: { intent: "mine", complexity: 1, approvals: [{ approver: "someone" }], agent_model: "m" },
      checks: ["lint"],
    })
    const result = validate(document, {
      assignment: known,
      policy: policy({ guards: [guard("unit", "make test"), guard("lint", "make lint")] }),
    })
    if (!result.ok) throw new Error(JSON.stringify(result.error))
    expect(result.value.metadata.intent).toBe("assigned")
    expect(result.value.metadata.complexity).toBe(7)
    expect(result.value.metadata.agent_model).toBe("m")
    expect(result.value.metadata.approvals).toEqual([claim, { approver: "someone" }])
    expect(result.value.checks).toEqual(["unit", "lint"])
    expect(result.value.depends_on as unknown).toEqual(["R1-0"])
    const { metadata: _, ...bare } = request()
    expect(told(bare, { assignment: assignment() })).toEqual([])
    expect(told(bare)).toEqual(["missing@metadata"])
  })

  test("an answer to an assignment cannot name another author; a commit cannot smuggle a header in", () => {
    const provenance = {
      revision: "0".repeat(40),
      author_name: "A",
      author_email: "a@b",
      author_date: "1 +0000",
      message: "m",
    }
    expect(told(request({ provenance }))).toEqual([])
    expect(told(request({ provenance }), { assignment: assignment() })).toEqual([
      "provenance_not_allowed@provenance",
    ])
    const forged = { ...provenance, author_name: "A <x@y> 1 +0000\ncommitter B" }
    expect(told(request({ provenance: forged }))).toEqual(["schema@provenance.author_name"])
  })
})

describe("checks", () => {
  test("only a guard's id or its exact command", () => {
    const guards = [guard("unit", "npm test"), guard("types", ["tsc", "-p", "."])]
    const checks = (...list: string[]) => told(request({ checks: list }), { policy: policy({ guards }) })
    expect(checks("unit", "npm test", "types", "tsc -p .")).toEqual([])
    for (const other of ["npm  test", "npm test ", "npm test; id", "UNIT", "npm", "", "tsc -p . --x"])
      expect(checks(other)).toEqual(["check_not_allowed@checks[0]"])
    expect(told(request({ checks: ["unit"] }))).toEqual(["check_not_allowed@checks[0]"])
  })
})

describe("approvals", () => {
  test("claims are no violation, vouching for oneself is", () => {
    const claims = (...approvers: string[]) =>
      told(
        request({
          metadata: { intent: "x", approvals: approvers.map((approver) => ({ approver, note: "ok" })) },
        }),
      )
    expect(claims("alice", "bob")).toEqual([])
    expect(claims("alice", "agent-a")).toEqual(["self_approval@metadata.approvals[1].approver"])
    expect(claims(" AGENT-A")).toEqual(["self_approval@metadata.approvals[0].approver"])
    expect(Object.keys(ApprovalClaim.entries)).not.toContain("attested")
  })
})

describe("limits", () => {
  const limits = { max_changes: 2, max_file_bytes: 10, max_payload_bytes: 25 }
  const limited = (...changes: unknown[]) => told(request({ changes }), { policy: policy({ limits }) })

  test("changes, bytes of a file, bytes in all", () => {
    expect(limited(change("a"), change("b"))).toEqual([])
    expect(limited(change("a"), change("b"), change("c"))).toEqual(["too_many_changes@changes"])
    expect(limited(change("a", { content: "x".repeat(10) }))).toEqual([])
    expect(limited(change("a", { content: "x".repeat(11) }))).toEqual(["file_too_large@changes[0].content"])
    expect(limited(patched("a", "x".repeat(25)))).toEqual([])
    expect(limited(patched("a", "x".repeat(26)))).toEqual(["payload_too_large@changes"])
  })

  test("complexity is 1 to 10", () => {
    for (const complexity of [0, 11, 1.5, "3"])
      expect(told(request({ metadata: { intent: "x", complexity } }))).toEqual(["schema@metadata.complexity"])
  })

  test("a hostile document is refused within a second, with a short answer", () => {
    const hostile: unknown[] = [
      { changes: Array(1_000_000).fill(1) },
      request({ checks: Array(1_000_000).fill(1) }),
      request({ checks: Array(100_000).fill("x") }),
      request({ changes: [change("/".repeat(4_000_000))] }),
      request({ changes: [change("a/".repeat(2_000_000))] }),
      request({ changes: Array.from({ length: 50_000 }, (_, i) => change(`../${i}`)) }),
      Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`k${i}`, i])),
    ]
    for (const document of hostile) {
      const start = Bun.nanoseconds()
      const found = violations(document)
      expect(found.length).toBeGreaterThan(0)
      expect(found.length).toBeLessThan(2_000)
      expect((Bun.nanoseconds() - start) / 1e6).toBeLessThan(1_000)
    }
  })
})

test("the service fails with every violation and one line of message", () => {
  const context = Effect.runSync(Effect.scoped(Layer.build(ValidatorService.layer(anyPatch))))
  const validator = Context.get(context, ValidatorService)
  const program = (document: unknown) =>
    validator
      .validate({ document, policy: policy(), tasks: "open", assignment: null })
      .pipe(Effect.either, Effect.runSync)
  expect(Either.isRight(program(request()))).toBe(true)
  const refused = program(request({ checks: ["x", "y"] }))
  expect(Either.isLeft(refused)).toBe(true)
  if (Either.isLeft(refused)) {
    expect(refused.left._tag).toBe("ValidationRejected")
    expect(refused.left.violations).toHaveLength(2)
    expect(refused.left.message).toBe(
      'checks[0]: "x" is neither a guard id nor a guard\'s exact command (and 1 more)',
    )
  }
})
