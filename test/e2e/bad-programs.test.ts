import { afterAll, describe, expect } from "bun:test"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { PolicyInput } from "../../src/domain/policy.ts"
import { patchOf, requestOf, startHyperion } from "../support/workspace.ts"
import { binaryTest, type E2e, expectDecent, expectError, openE2e } from "./support.ts"

const shops: E2e[] = []
const open = (policy: Omit<PolicyInput, "version"> = {}, files?: Readonly<Record<string, string>>): E2e => {
  const shop = openE2e(policy, files)
  shops.push(shop)
  return shop
}
afterAll(() => {
  for (const shop of shops) shop.remove()
})

const setPolicy = (shop: E2e, edit: (policy: Record<string, unknown>) => void) => {
  const policy = JSON.parse(shop.read("hyperion.json")!)
  edit(policy)
  shop.write({ "hyperion.json": JSON.stringify(policy) })
}
const trust = (shop: E2e) => {
  const ran = shop.run(["config", "trust", "--yes"])
  if (ran.code !== 0) throw new Error(ran.stderr)
}
/** Puts the guards in order, as an operator would. */
const repair = (shop: E2e, guards: readonly unknown[] = []) => {
  setPolicy(shop, (policy) => {
    policy["guards"] = guards
  })
  trust(shop)
}
const whyOf = (shop: E2e, id: string) =>
  JSON.parse(shop.run(["why", id, "--format", "json"]).stdout).explanations[0]

/** A guard that is fine on the base and does this as soon as the change is there. */
const onChange = (script: string) => ["sh", "-c", `test -e b.txt || exit 0; ${script}`]

describe("a guard that does not do its work", () => {
  const rows: readonly (readonly [
    name: string,
    guard: Record<string, unknown>,
    code: string,
    evidence: RegExp,
    outcome: "retry" | "failed",
  ])[] = [
    [
      "hangs, deaf to TERM",
      { command: onChange("trap '' TERM; while :; do sleep 9; done"), timeout_seconds: 1 },
      "guard_timeout",
      /ran into its time limit.*raise timeout_seconds of guard unit/,
      "retry",
    ],
    [
      "is not there",
      { command: ["no-such-program", "--fast"] },
      "guard_infra",
      /cannot start no-such-program: no such program/,
      "retry",
    ],
    ["may not be executed", { command: ["./a.txt"] }, "guard_infra", /may not be executed/, "retry"],
    ["is a line for a shell", { command: "npm test && rm -rf x" }, "guard_infra", /shell/, "retry"],
    [
      "calls a program that is missing",
      { command: onChange("no-such-compiler") },
      "guard_infra",
      /exit 127/,
      "retry",
    ],
    [
      "is red",
      { command: onChange("echo tests are red >&2; exit 3") },
      "guard_failed",
      /tests are red/,
      "failed",
    ],
    ["is killed", { command: onChange("kill -9 $$") }, "guard_failed", /guard unit failed/, "failed"],
  ]
  for (const [name, guard, code, evidence, outcome] of rows) {
    binaryTest(`${name}: ${code}; nothing lands; repaired and requeued, it does`, () => {
      const shop = open({ guards: [{ id: "unit", flaky_retries: 0, ...guard } as never] })
      shop.enqueue(requestOf("guarded", { "b.txt": "b\n" }))
      const ran = shop.run(["worker", "--drain", ...(outcome === "retry" ? ["--max-attempts", "1"] : [])])
      expectDecent(ran)
      expect([ran.code, ran.stderr]).toEqual([0, ""])
      expect(ran.stdout).toContain(`[${code}]`)
      expect(shop.git("rev-list", "--count", "main")).toBe("1")
      expect(shop.git("status", "--porcelain")).toBe("")
      const why = whyOf(shop, "guarded")
      expect(why).toMatchObject({ state: "failed", code })
      expect(JSON.stringify(why)).toMatch(evidence)
      const letters = (...flags: string[]) => shop.run(["list-dead-letters", ...flags])
      expect(letters("--path", "b.txt").stdout).toContain("guarded")
      for (const flags of [
        ["--agent", "nobody"],
        ["--path", "a.txt"],
        ["--cursor", "1"],
      ])
        expect(letters(...flags).stdout).toBe("")
      expectError(letters("--cursor", "x"), 2, /cursor/)
      // Nothing of the guard goes on running.
      expect(Bun.spawnSync(["pgrep", "-f", shop.outside]).stdout.toString()).toBe("")
      repair(shop)
      expect(shop.run(["requeue", "guarded", "--reason", "the guard is repaired"]).code).toBe(0)
      shop.goodChange()
      expect(shop.read("b.txt")).toBe("b\n")
    })
  }

  binaryTest("misses its dependencies: infra with the hint how to provide them, nobody is blamed", () => {
    const shop = open(
      { guards: [{ id: "unit", command: ["sh", "-c", "echo Cannot find module dep; exit 1"] }] },
      { "package.json": "{}\n", "bun.lock": "one\n", ".gitignore": "node_modules/\n" },
    )
    shop.enqueue(requestOf("guarded", { "b.txt": "b\n" }))
    const ran = shop.run(["worker", "--drain"])
    expectDecent(ran)
    expect(ran.stdout).toMatch(/\[guard_infra\]/)
    expect(ran.stdout).toMatch(/dependencies are missing: .*node_modules.*prepare/)
    expect(whyOf(shop, "guarded").state).toBe("scheduled")
    repair(shop)
    shop.goodChange()
  })

  for (const sandbox of ["off", "preferred"] as const)
    binaryTest(`finds the dependencies of the working tree (sandbox ${sandbox})`, () => {
      const shop = open(
        {
          guards: [
            {
              id: "unit",
              command: [
                "sh",
                "-c",
                sandbox === "off"
                  ? "cat node_modules/dep/index.js"
                  : "cat node_modules/dep/index.js && ! touch node_modules/x",
              ],
            },
          ],
          sandbox,
        },
        { "package.json": "{}\n", "bun.lock": "one\n", ".gitignore": "node_modules/\n" },
      )
      shop.write({ "node_modules/dep/index.js": "dep\n" })
      shop.goodChange()
      expect(existsSync(join(shop.root, "node_modules/x"))).toBe(false)
    })

  /** A worker in the middle of a guard that takes a minute. */
  const workerInGuard = async (shop: ReturnType<typeof open>) => {
    const mark = join(shop.outside, "started")
    repair(shop, [{ id: "unit", command: onChange(`touch ${mark}; sleep 60`) }])
    shop.enqueue(requestOf("guarded", { "b.txt": "b\n" }))
    const worker = startHyperion(shop, ["worker", "--drain"])
    while (!existsSync(mark)) await Bun.sleep(5)
    return worker
  }

  binaryTest(
    "stopped by Ctrl-C in the middle of one: exit 130, the entry goes back with its attempt",
    async () => {
      const shop = open()
      const { child, ended } = await workerInGuard(shop)
      child.kill("SIGINT")
      const ran = await ended
      expectDecent(ran)
      expect(ran.code).toBe(130)
      expect(ran.stderr).toMatch(/^error: stopped by a signal[^\n]*\n$/)
      const { entries } = JSON.parse(shop.run(["list", "--format", "json"]).stdout)
      expect(entries).toMatchObject([{ state: "pending", attempts: 0, reason_code: "stopped" }])
      repair(shop)
      shop.goodChange()
      expect(shop.read("b.txt")).toBe("b\n")
    },
  )

  binaryTest(
    "killed in the middle of one: the next worker takes its entry over at once, and history says so",
    async () => {
      const shop = open()
      const { child, ended } = await workerInGuard(shop)
      child.kill("SIGKILL")
      await ended
      const status = shop.run(["status"]).stdout
      expect(status).toContain(`worker-${child.pid} has ended: the next worker takes it over`)
      repair(shop)
      expect(shop.run(["worker", "--drain"]).stdout).toContain("landed   entry 1 (guarded)")
      const { events } = JSON.parse(shop.run(["history", "1", "--format", "json"]).stdout)
      expect(events.map(({ event }: { readonly event: string }) => event)).toContain("lease_reclaimed")
      expect(shop.read("b.txt")).toBe("b\n")
    },
  )

  binaryTest(
    "a commit made by hand in the middle of a landing: proven again on it, nothing is lost",
    async () => {
      const shop = open()
      const [mark, go] = [join(shop.outside, "started"), join(shop.outside, "go")]
      repair(shop, [
        { id: "unit", command: onChange(`touch ${mark}; until test -e ${go}; do sleep 0.01; done`) },
      ])
      shop.enqueue(requestOf("guarded", { "b.txt": "b\n" }))
      const { ended } = startHyperion(shop, ["worker", "--drain"])
      while (!existsSync(mark)) await Bun.sleep(5)
      shop.commit("by hand", { "hand.txt": "hand\n" })
      writeFileSync(go, "")
      const ran = await ended
      expectDecent(ran)
      expect(ran.stdout).toContain("[base_moved]")
      expect(ran.stdout).toContain("landed as")
      expect(shop.git("log", "--format=%s")).toBe("change b.txt\nby hand\nbase")
      expect(shop.git("status", "--porcelain")).toBe("")
      shop.goodChange()
    },
  )

  binaryTest(
    "three workers of small batches wait for each other's landings and turn nothing away",
    async () => {
      const shop = open({ queue: { batch: 2 } })
      shop.enqueue(...Array.from({ length: 24 }, (_, n) => requestOf(`t${n}`, { [`f${n}.txt`]: `${n}\n` })))
      const workers = Array.from({ length: 3 }, () => startHyperion(shop, ["worker", "--drain"]))
      for (const { ended } of workers) {
        const ran = await ended
        expectDecent(ran)
        expect([ran.code, ran.stderr]).toEqual([0, ""])
        expect(ran.stdout).not.toContain("blocked")
      }
      shop.goodChange()
      expect(shop.git("rev-list", "--count", "main")).toBe("26")
      expect(shop.git("status", "--porcelain")).toBe("")
    },
  )

  binaryTest("two workers at once land everything once", async () => {
    const shop = open({ guards: [{ id: "unit", command: ["test", "-e", "a.txt"] }] })
    shop.enqueue(...Array.from({ length: 8 }, (_, n) => requestOf(`t${n}`, { [`f${n}.txt`]: `${n}\n` })))
    const workers = [startHyperion(shop, ["worker", "--drain"]), startHyperion(shop, ["worker", "--drain"])]
    for (const { ended } of workers) {
      const ran = await ended
      expectDecent(ran)
      expect([ran.code, ran.stderr]).toEqual([0, ""])
    }
    shop.goodChange()
    const { entries } = JSON.parse(shop.run(["list", "--format", "json"]).stdout)
    expect(entries.map((entry: { state: string }) => entry.state)).toEqual(Array(9).fill("applied"))
    expect(new Set(entries.map((entry: { commit: string }) => entry.commit)).size).toBe(9)
    expect(shop.git("rev-list", "--count", "main")).toBe("10")
  })
})

describe("a policy that cannot be followed", () => {
  binaryTest("an unknown key: refused by name", () => {
    const shop = open()
    const before = shop.read("hyperion.json")
    setPolicy(shop, (policy) => {
      policy["aprovals"] = { required: 0 }
    })
    for (const args of [
      ["worker", "--drain"],
      ["enqueue", shop.file(requestOf("x", { "x.txt": "x\n" }))],
    ])
      expectError(shop.run(args), 1, /hyperion\.json: aprovals: is not a key/)
    expect(shop.run(["list"]).code).toBe(0)
    shop.write({ "hyperion.json": before })
    shop.goodChange()
  })

  binaryTest("no JSON at all, a version from the future, a guard twice: refused with the place", () => {
    const shop = open()
    const before = shop.read("hyperion.json")
    for (const text of [
      "{",
      '{"version": 7}',
      '{"version":1,"guards":[{"id":"a","command":"x"},{"id":"a","command":"y"}]}',
    ]) {
      shop.write({ "hyperion.json": text })
      expectError(shop.run(["worker", "--drain"]), 1, /hyperion\.json: /)
    }
    shop.write({ "hyperion.json": before })
    shop.goodChange()
  })

  binaryTest("edited since a person trusted it: refused with the command; gone: the same", () => {
    const shop = open()
    const before = shop.read("hyperion.json")
    setPolicy(shop, (policy) => {
      policy["workers"] = 9
    })
    expectError(
      shop.run(["worker", "--drain"]),
      1,
      /edited since it was last trusted.*hint: .*hyperion config trust/,
    )
    shop.write({ "hyperion.json": null })
    expectError(shop.run(["worker", "--drain"]), 1, /is gone since it was last trusted/)
    shop.write({ "hyperion.json": before })
    shop.goodChange()
  })
})

describe("§17: an agent that does not do its work never becomes queued work", () => {
  const REQUEST = {
    request_id: "feature",
    summary: "Add a file",
    requested_changes: [{ path: "new.txt", summary: "write something into it" }],
  }
  const rows: readonly (readonly [name: string, script: string, cause: RegExp])[] = [
    ["prints garbage", "head -c 3000 /dev/urandom", /the reply/],
    [
      "prints a screen-clearing sequence",
      "printf '\\033[2J\\033]0;owned\\007 sure, done!'",
      /the reply holds no change request/,
    ],
    ["says nothing", "true", /the reply holds no change request/],
    ["exits 1", "echo out of tokens >&2; exit 1", /exited with 1: out of tokens/],
    ["hangs", "trap '' TERM; while :; do sleep 9; done", /no answer within 1 s/],
    ["is killed", "kill -9 $$", /killed by SIGKILL/],
    [
      "answers another task",
      `printf '{"task_id":"other","agent":"x","metadata":{"intent":"x"},"changes":[{"path":"new.txt","operation":"add","content":"x","patch_hash":"x"}]}'`,
      /./,
    ],
  ]
  for (const [name, script, cause] of rows) {
    binaryTest(`${name}: one line, exit 1, nothing queued, nothing invented`, () => {
      const shop = open({
        agent: {
          harness: "command",
          command: ["sh", "-c", `cat > /dev/null; ${script}`],
          timeout_seconds: 1,
          max_retries: 0,
        },
      })
      const ran = shop.run(["request", shop.file(REQUEST)])
      expectDecent(ran)
      expect(ran.code).toBe(1)
      expect(ran.stdout).toMatch(/^agent +failed [^\n]+$/m)
      expect(ran.stdout).toMatch(cause)
      expect(JSON.parse(shop.run(["list", "--format", "json"]).stdout).entries).toEqual([])
      expect(shop.git("status", "--porcelain")).toBe("")
      shop.goodChange()
    })
  }

  binaryTest("is not installed: the request's own words go in instead, and that is said", () => {
    const shop = open({ agent: { harness: "command", command: ["no-such-agent"] } })
    const request = {
      ...REQUEST,
      requested_changes: [{ path: "new.txt", summary: "write it", content: "text\n" }],
    }
    const ran = shop.run(["request", shop.file(request)])
    expectDecent(ran)
    expect(ran.code).toBe(0)
    expect(ran.stdout).toMatch(/instead of command: .*no-such-agent/)
    shop.goodChange()
    expect(shop.read("new.txt")).toBe("text\n")
  })

  binaryTest("§17: answers with a change outside of its assignment: refused, not queued", () => {
    const answer = requestOf("feature-1", { "elsewhere.txt": "x\n" })
    const shop = open()
    const reply = shop.file(answer, "reply.json")
    setPolicy(shop, (policy) => {
      policy["agent"] = { harness: "command", command: ["cat", reply] }
    })
    trust(shop)
    const ran = shop.run(["request", shop.file(REQUEST)])
    expectDecent(ran)
    expect(ran.code).toBe(5)
    expect(ran.stdout).toMatch(/rejected .*elsewhere\.txt/)
    expect(JSON.parse(shop.run(["list", "--format", "json"]).stdout).entries).toEqual([])
    shop.goodChange()
  })

  binaryTest("a request that cannot be understood: refused with the place", () => {
    const shop = open()
    for (const [document, exit, cause] of [
      ["{", 5, /line 1, column 2: the JSON/],
      [{ request_id: "r", summary: "s" }, 5, /none of our documents|requested_changes/],
      [{ ...REQUEST, requested_changes: [] }, 5, /at least one change/],
      [requestOf("x", { "x.txt": "x\n" }), 5, /is a change request, not a task request/],
    ] as const) {
      for (const command of ["request", "orchestrate"])
        expectError(shop.run([command, shop.file(document)]), exit, cause)
    }
    const climbing = { ...REQUEST, requested_changes: [{ path: "../x", summary: "x", content: "x" }] }
    expectError(
      shop.run(["request", shop.file(climbing)]),
      2,
      /needs an answer: the path "\.\.\/x" climbs out/,
    )
    shop.goodChange()
  })
})

describe("what agents write on the operator's screen", () => {
  const EVIL = "\u001b[2J\u001b]0;owned\u0007\u009b31m\rapproved    grace\u202e\u2028x"
  binaryTest("every field an agent controls is shown as text by every command, in every format", () => {
    const shop = open({
      guards: [
        {
          id: "unit",
          command: [
            "sh",
            "-c",
            `test -e evil.txt && printf '${EVIL.replaceAll("\u001b", "\\033")}\\n' && exit 1; exit 0`,
          ],
          flaky_retries: 0,
        },
      ],
    })
    const evil = {
      ...requestOf(
        "evil",
        {},
        {
          agent: "agent\u202eevil\u200b",
          metadata: {
            intent: `${EVIL}\napproved    grace at once\n\u001b[31m`,
            telemetry_anchors: [EVIL],
            agent_model: EVIL,
            sample_diff: EVIL,
            approvals: [{ approver: "boss\u202e", note: EVIL }],
          },
          expected_outcomes: [EVIL],
        },
      ),
      changes: [
        { ...requestOf("x", { "evil.txt": `${EVIL}\napproved    mallory\n` }).changes[0]!, signature: EVIL },
      ],
    }
    const update = {
      ...requestOf("evil-2", {}, { metadata: { intent: EVIL } }),
      changes: [
        patchOf("a.txt", `--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-${EVIL.replace("\u2028", "")}\n+b\n`),
      ],
    }
    const seen = [shop.enqueue(evil, update), shop.run(["worker", "--drain"])]
    for (const args of [
      ["list"],
      ["show", "1"],
      ["show", "2"],
      ["why", "1"],
      ["why", "2"],
      ["history"],
      ["history", "1"],
      ["worker-logs"],
      ["list-dead-letters"],
      ["status"],
    ])
      for (const format of ["text", "json", "jsonl"]) seen.push(shop.run([...args, "--format", format]))
    seen.push(shop.run(["enqueue", shop.file(`{"task_id": "\u001b[2J\u009b`)]))
    seen.push(shop.run(["enqueue", shop.file({ ...evil, [EVIL]: EVIL, task_id: EVIL })]))
    seen.push(shop.run(["show", EVIL]), shop.run([EVIL]), shop.run(["list", `--${EVIL}`]))
    for (const ran of seen) {
      expectDecent(ran)
      // No line of ours can be forged from within a field.
      expect(ran.stdout).not.toMatch(/^approved/m)
      expect(ran.stderr).not.toMatch(/^approved/m)
    }
    expect(seen[0]!.code).toBe(0)
    expect(seen[1]!.stdout).toContain("[guard_failed]")
    repair(shop)
    shop.goodChange()
  })
})
