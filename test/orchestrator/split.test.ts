import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import { Assignment } from "../../src/domain/assignment.ts"
import { parseDocument } from "../../src/domain/parse-document.ts"
import { collisionKey } from "../../src/domain/path.ts"
import { DEFAULT_POLICY, type Policy } from "../../src/domain/policy.ts"
import { TaskRequest } from "../../src/domain/request.ts"
import { estimateComplexity } from "../../src/orchestrator/capacity.ts"
import {
  changesOf,
  developerNames,
  type SplitOptions,
  type SplitRequest,
  split,
} from "../../src/orchestrator/split.ts"

type Doc = Record<string, unknown>
const BASE = "a".repeat(40)
const request = (over: Doc = {}): SplitRequest => {
  const parsed = parseDocument(TaskRequest, {
    request_id: "R-1",
    summary: "Greet the user",
    kind: "feature",
    acceptance_criteria: [],
    requested_changes: [{ path: "a.ts", summary: "greet" }],
    ...over,
  })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
  return parsed.value as SplitRequest
}
const files = (...paths: readonly string[]): Doc => ({
  requested_changes: paths.map((path) => ({ path, summary: `change ${path}` })),
})
const orchestrator = (over: Partial<Policy["orchestrator"]>): Partial<SplitOptions> => ({
  policy: { ...DEFAULT_POLICY, orchestrator: { ...DEFAULT_POLICY.orchestrator, ...over } },
})
const run = (over: Doc = {}, options: Partial<SplitOptions> = {}) =>
  split(request(over), {
    policy: DEFAULT_POLICY,
    baseRevision: BASE,
    agents: developerNames(3),
    ...options,
  })
const assignments = (over: Doc = {}, options: Partial<SplitOptions> = {}): readonly Assignment[] => {
  const result = run(over, options)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}
const problems = (over: Doc = {}, options: Partial<SplitOptions> = {}) => {
  const result = run(over, options)
  if (result.ok) throw new Error(`split: ${JSON.stringify(result.value)}`)
  return result.error
}
const codes = (over: Doc = {}, options: Partial<SplitOptions> = {}) =>
  problems(over, options).map(({ code }) => code)
const graph = (list: readonly Assignment[]) =>
  Object.fromEntries(list.map(({ task_id, depends_on }) => [task_id, depends_on])) as Record<string, string[]>

describe("assignments", () => {
  test("one a requested change, numbered from 1, agents in turn", () => {
    const list = assignments(files("a", "b", "c", "d"))
    expect(list.map(({ task_id }) => task_id as string)).toEqual(["R-1-1", "R-1-2", "R-1-3", "R-1-4"])
    expect(list.map(({ file_targets }) => file_targets)).toEqual([["a"], ["b"], ["c"], ["d"]])
    expect(list.map(({ agent }) => agent)).toEqual([
      "developer-1",
      "developer-2",
      "developer-3",
      "developer-1",
    ])
    expect(graph(list)).toEqual({ "R-1-1": [], "R-1-2": [], "R-1-3": [], "R-1-4": [] })
  })

  test("carries everything its developer needs, and is a valid document", () => {
    const [assignment] = assignments({
      priority: 7,
      kind: "bugfix",
      context: "The page is old.",
      acceptance_criteria: ["it greets"],
      requested_changes: [
        { path: "a.ts", summary: "greet", checks: ["test"], ensure_exists: true, blocking_on_failure: true },
      ],
    })
    expect(assignment).toEqual({
      schema_version: 1,
      task_id: "R-1-1",
      parent_request_id: "R-1",
      summary: "greet",
      kind: "bugfix",
      priority: 7,
      file_targets: ["a.ts"],
      instructions: [
        "Keep changes isolated to the listed files.",
        "Provide a structured JSON change request on completion.",
        '"a.ts" must exist afterwards.',
        "Context: The page is old.",
      ],
      acceptance_criteria: ["it greets"],
      checks: ["test"],
      depends_on: [],
      metadata: { intent: "greet", complexity: 1, telemetry_anchors: [], approvals: [] },
      blocking_on_failure: true,
      limits: { max_files: 20, max_context_tokens: 32_000 },
      base_revision: BASE,
      agent: "developer-1",
    } as never)
    expect(parseDocument(Assignment, JSON.parse(JSON.stringify(assignment)))).toEqual({
      ok: true,
      value: assignment!,
    })
  })

  test("changes of one file are one assignment, with all their summaries and checks", () => {
    const list = assignments({
      requested_changes: [
        { path: "a", summary: "one", checks: ["test"] },
        { path: "b", summary: "two" },
        { path: "a", summary: "three", checks: ["lint", "test"] },
      ],
    })
    expect(list.map(({ file_targets }) => file_targets)).toEqual([["a"], ["b"]])
    expect(list[0]).toMatchObject({ summary: "one; three", checks: ["test", "lint"] })
    expect(list[0]!.instructions.slice(2)).toEqual(['"a": one', '"a": three'])
  })

  test("a file and what lies under it have one owner", () =>
    expect(assignments(files("x/y/z", "b", "x", "x2")).map(({ file_targets }) => file_targets)).toEqual([
      ["x/y/z", "x"],
      ["b"],
      ["x2"],
    ]))

  test("spellings that are one file on some systems have one owner, unless paths are posix", () => {
    expect(assignments(files("A.ts", "a.ts"))).toHaveLength(1)
    expect(
      assignments(files("A.ts", "a.ts"), { policy: { ...DEFAULT_POLICY, paths: "posix" } }),
    ).toHaveLength(2)
  })

  test("criteria about files of others are left out, the rest is everybody's", () => {
    const list = assignments({
      ...files("a", "b"),
      acceptance_criteria: ['"a" exists', '"b" exists', 'the check "test" passes', "a and b agree"],
    })
    expect(list.map(({ acceptance_criteria }) => acceptance_criteria)).toEqual([
      ['"a" exists', 'the check "test" passes', "a and b agree"],
      ['"b" exists', 'the check "test" passes', "a and b agree"],
    ])
  })

  test("the changes behind an assignment are found again", () => {
    const whole = request({
      requested_changes: [
        { path: "a", summary: "1", content: "x" },
        { path: "b", summary: "2" },
        { path: "a", summary: "3" },
      ],
    })
    const result = split(whole, { policy: DEFAULT_POLICY, baseRevision: null, agents: ["one"] })
    if (!result.ok) throw new Error("refused")
    expect(result.value.map((one) => changesOf(whole, one).map(({ summary }) => summary))).toEqual([
      ["1", "3"],
      ["2"],
    ])
  })
})

describe("metadata", () => {
  test("what the request states is never overridden", () => {
    const metadata = {
      intent: "say hello",
      complexity: 2,
      sample_diff: "+hi",
      telemetry_anchors: ["cast_builder"],
      approvals: [{ approver: "Ada", note: "go" }],
      agent_model: "gpt-5",
      exported_at: "not ours",
    }
    const [assignment] = assignments({
      metadata,
      requested_changes: [{ path: "a", summary: "x", content: "y".repeat(99_999) }],
    })
    const { exported_at: _, ...ours } = metadata
    expect(assignment!.metadata).toEqual(ours)
  })

  test("what is malformed is named", () =>
    expect(problems({ metadata: { complexity: 11, approvals: "me" } }).map(({ path }) => path)).toEqual([
      "metadata.complexity",
      "metadata.approvals",
    ]))

  test("complexity grows with files and bytes, from 1 to 10", () => {
    expect(estimateComplexity(1, 0)).toBe(1)
    expect(estimateComplexity(1, 2_047)).toBe(1)
    expect(estimateComplexity(1, 2_048)).toBe(2)
    expect(estimateComplexity(1, 8_192)).toBe(3)
    expect(estimateComplexity(3, 0)).toBe(3)
    expect(estimateComplexity(100, 1e9)).toBe(10)
  })

  test("known sizes of the files count", () => {
    const fileBytes = new Map([["a.ts", 10_000]])
    expect(assignments({}, { fileBytes })[0]!.metadata.complexity).toBe(3)
  })
})

describe("order", () => {
  test("in_order is a chain", () =>
    expect(graph(assignments({ ...files("a", "b", "c"), landing: "in_order" }))).toEqual({
      "R-1-1": [],
      "R-1-2": ["R-1-1"],
      "R-1-3": ["R-1-2"],
    }))

  test("together is one assignment that says so", () => {
    const list = assignments({ ...files("a", "b"), landing: "together" })
    expect(list).toHaveLength(1)
    expect(list[0]).toMatchObject({ file_targets: ["a", "b"], summary: "Greet the user" })
    expect(list[0]!.instructions).toContain("All listed files land together, as one tree.")
  })

  const phased = (policies: readonly string[], ordinals = policies.map((_, index) => index + 1)): Doc => ({
    phases: policies.map((failure_policy, index) => ({
      id: `p${index + 1}`,
      name: "phase",
      ordinal: ordinals[index],
      failure_policy,
    })),
    requested_changes: [
      { path: "free", summary: "no phase" },
      ...policies.flatMap((_, index) => [
        { path: `p${index + 1}/a`, summary: "x", phase_id: `p${index + 1}` },
        { path: `p${index + 1}/b`, summary: "x", phase_id: `p${index + 1}` },
      ]),
    ],
  })

  test("a blocking phase is done before any task of later ones", () =>
    expect(graph(assignments(phased(["block", "block", "block"])))).toEqual({
      "R-1-1": [],
      "R-1-2": [],
      "R-1-3": [],
      "R-1-4": ["R-1-2", "R-1-3"],
      "R-1-5": ["R-1-2", "R-1-3"],
      "R-1-6": ["R-1-4", "R-1-5"],
      "R-1-7": ["R-1-4", "R-1-5"],
    }))

  test("a phase that may fail holds nobody up, the one before it still does", () => {
    const list = graph(assignments(phased(["block", "continue", "block"])))
    expect(list["R-1-6"]).toEqual(["R-1-2", "R-1-3"])
  })

  test("ordinals decide, not the order of the text; equal ones run side by side", () => {
    const list = assignments(phased(["block", "block", "block"], [3, 1, 3]))
    expect(list.map(({ phase_id }) => phase_id)).toEqual([undefined, "p2", "p2", "p1", "p1", "p3", "p3"])
    expect(graph(list)["R-1-7"]).toEqual(["R-1-2", "R-1-3"])
    expect(graph(list)["R-1-4"]).toEqual(["R-1-2", "R-1-3"])
  })

  test("in_order follows the phases", () => {
    const list = graph(assignments({ ...phased(["block", "block"], [2, 1]), landing: "in_order" }))
    expect(list["R-1-3"]).toEqual(["R-1-2"])
    expect(list["R-1-4"]).toEqual(["R-1-2", "R-1-3"])
  })

  test("what the request waits for, its first tasks wait for", () => {
    const resolve = (name: string) => (name === "R-0" ? (["R-0-1", "R-0-2"] as never) : null)
    const over = { ...files("a", "b"), landing: "in_order", depends_on: ["R-0"] }
    expect(graph(assignments(over, { resolve }))).toEqual({ "R-1-1": ["R-0-1", "R-0-2"], "R-1-2": ["R-1-1"] })
    expect(graph(assignments({ ...files("a", "b"), depends_on: ["R-0-1"] }))).toEqual({
      "R-1-1": ["R-0-1"],
      "R-1-2": ["R-0-1"],
    })
    expect(codes({ depends_on: ["R-9"] }, { resolve })).toEqual(["dependency_unknown"])
    expect(codes({ depends_on: ["no id at all"] })).toEqual(["dependency_unknown"])
    expect(codes({ depends_on: ["R-1-1", "R-1"] })).toEqual(["depends_on_itself", "depends_on_itself"])
  })
})

describe("refused", () => {
  const inPhases = (...paths: readonly string[]): Doc => ({
    phases: paths.map((_, index) => ({ id: `p${index}`, name: "", ordinal: index })),
    requested_changes: paths.map((path, index) => ({ path, summary: "x", phase_id: `p${index}` })),
  })

  test("one file in two phases: the error names it and both tasks", () => {
    const [problem, ...more] = problems(inPhases("src/a.ts", "src/a.ts"))
    expect(more).toEqual([])
    expect(problem).toMatchObject({ code: "ownership_overlap" })
    expect(problem!.message).toBe('"src/a.ts" would belong to R-1-1 and to R-1-2')
  })

  test("a file and what lies under it in two phases", () => {
    expect(problems(inPhases("src", "src/a.ts"))[0]!.message).toContain('"src" and "src/a.ts"')
    expect(codes(inPhases("src/a/b", "src"))).toEqual(["ownership_overlap"])
    expect(codes(inPhases("A", "a"))).toEqual(["ownership_overlap"])
  })

  test("phases that contradict the changes", () => {
    const phases = [
      { id: "p", name: "", ordinal: 0 },
      { id: "p", name: "", ordinal: 1 },
    ]
    expect(codes({ phases })).toEqual(["phase_twice"])
    const lost = { requested_changes: [{ path: "a", summary: "x", phase_id: "q" }] }
    expect(codes({ phases: [phases[0]], ...lost })).toEqual(["phase_unknown"])
    expect(assignments(lost)[0]!.phase_id).toBe("q")
    expect(codes({ ...inPhases("a", "b"), landing: "together" })).toEqual(["together_in_phases"])
  })

  test("more files than one agent may have", () => {
    const over = { ...files("a", "b", "c"), landing: "together" }
    expect(problems(over, orchestrator({ max_files: 2 }))[0]!.message).toContain('"a", "b", "c" are 3 files')
    expect(assignments(files("a", "b", "c"), orchestrator({ max_files: 1 }))).toHaveLength(3)
  })

  test("more context than a model may have; exact changes need none", () => {
    const limit = orchestrator({ max_context_tokens: 100 })
    expect(codes({ context: "x".repeat(400) }, limit)).toEqual(["context_too_large"])
    expect(codes({}, { ...limit, fileBytes: new Map([["a.ts", 400]]) })).toEqual(["context_too_large"])
    const exact = { requested_changes: [{ path: "a", summary: "x", content: "y".repeat(4_000) }] }
    expect(assignments(exact, limit)).toHaveLength(1)
  })

  test("folders that must not be mixed", () => {
    const limit = orchestrator({ boundaries: ["web/**", "server/**"] })
    const over = { ...files("web/a", "server/b", "README.md"), landing: "together" }
    expect(problems(over, limit)[0]!.message).toContain('"web/a", "server/b"')
    expect(codes(over, limit)).toEqual(["boundary_mixed"])
    expect(assignments({ ...over, landing: "independent" }, limit)).toHaveLength(3)
    expect(assignments({ ...files("web/a", "README.md"), landing: "together" }, limit)).toHaveLength(1)
  })

  test("a request id without room for a number, too many tasks", () => {
    expect(codes({ request_id: "r".repeat(127) })).toEqual(["request_id_too_long"])
    expect(codes(files(...Array.from({ length: 1_001 }, (_, index) => `f${index}`)))).toEqual([
      "too_many_tasks",
    ])
  })

  test("all at once", () =>
    expect(
      new Set(codes({ ...inPhases("a", "a"), depends_on: ["R-1"], metadata: { complexity: 0 } })),
    ).toEqual(new Set(["ownership_overlap", "depends_on_itself", "schema"])))
})

test("any request: deterministic, every file has one owner, dependencies point backwards", () => {
  const path = FastCheck.array(FastCheck.constantFrom("a", "b", "A", "c", "é", "e\u0301"), {
    minLength: 1,
    maxLength: 3,
  }).map((parts) => parts.join("/"))
  const change = FastCheck.record(
    { path, summary: FastCheck.constantFrom("x", "y"), phase_id: FastCheck.constantFrom("p1", "p2", "p3") },
    { requiredKeys: ["path", "summary"] },
  )
  const phases = FastCheck.tuple(FastCheck.nat(2), FastCheck.nat(2), FastCheck.nat(2)).map((ordinals) =>
    ordinals.map((ordinal, index) => ({
      id: `p${index + 1}`,
      name: "",
      ordinal,
      failure_policy: index === 1 ? "continue" : "block",
    })),
  )
  let split = 0
  FastCheck.assert(
    FastCheck.property(
      FastCheck.array(change, { minLength: 1, maxLength: 12 }),
      phases,
      FastCheck.constantFrom("independent", "in_order", "together"),
      (requested_changes, declared, landing) => {
        const over = { requested_changes, phases: declared, landing }
        const result = run(over)
        expect(run(over)).toEqual(result)
        if (!result.ok) {
          for (const { code } of result.error)
            expect(["ownership_overlap", "together_in_phases"]).toContain(code)
          return
        }
        split++
        const owner = new Map<string, string>()
        const seen = new Set<string>()
        for (const assignment of result.value) {
          for (const file of assignment.file_targets)
            for (const [other, task] of owner) {
              const key = collisionKey(file, "portable")
              const clash = key === other || key.startsWith(`${other}/`) || other.startsWith(`${key}/`)
              expect(clash && task !== assignment.task_id).toBe(false)
            }
          for (const file of assignment.file_targets)
            owner.set(collisionKey(file, "portable"), assignment.task_id)
          for (const before of assignment.depends_on) expect(seen.has(before)).toBe(true)
          seen.add(assignment.task_id)
        }
        const targets = result.value.flatMap(({ file_targets }) => file_targets)
        expect(new Set(targets)).toEqual(new Set(requested_changes.map(({ path: file }) => file)))
        expect(new Set(targets).size).toBe(targets.length)
      },
    ),
    { numRuns: 300 },
  )
  expect(split).toBeGreaterThan(50)
})

test("a request of the largest size is split in a moment", () => {
  const paths = Array.from({ length: 1_000 }, (_, index) => `${"d/".repeat(100)}f${index}`)
  const started = performance.now()
  expect(
    assignments({ ...files(...paths), acceptance_criteria: paths.map((path) => `"${path}" exists`) }),
  ).toHaveLength(1_000)
  // Ten times the measured time: it fails on quadratic work, not on a busy machine.
  expect(performance.now() - started).toBeLessThan(3_000)
})
