import { describe, expect, test } from "bun:test"
import * as FastCheck from "effect/FastCheck"
import * as v from "valibot"
import { approvalDigest, confirms, decisionDigest, digestOfProof } from "../../src/approval/binding.ts"
import { type ApprovalQuestion, judgeApprovals, type StoredApproval } from "../../src/approval/rules.ts"
import { storedApprovals } from "../../src/approval/stored.ts"
import type { FileEffect } from "../../src/domain/files.ts"
import { Policy, type PolicyInput } from "../../src/domain/policy.ts"
import { verifiedEffects } from "../../src/domain/verification.ts"

const DIGEST = "a".repeat(64)
const CHECKSUM = "b".repeat(64)
const OTHER = "c".repeat(64)

const approval = (options: Partial<StoredApproval> = {}): StoredApproval => ({
  approver: "ada",
  digest: DIGEST,
  presence: "tty",
  acknowledged: [],
  voided: false,
  ...options,
})

const policyOf = (approvals: PolicyInput["approvals"] = {}): Policy =>
  v.parse(Policy, { version: 1, approvals })

const judge = (options: Partial<ApprovalQuestion> = {}) =>
  judgeApprovals({
    policy: policyOf(),
    agent: "copilot",
    paths: ["src/a.ts"],
    sensitive: [],
    digest: DIGEST,
    checksum: CHECKSUM,
    exact: true,
    approvals: [approval()],
    ...options,
  })

type Row = readonly [name: string, question: Partial<ApprovalQuestion>, missing: string]

const TABLE: readonly Row[] = [
  ["one person at a terminal is enough by default", {}, ""],
  ["nobody is not", { approvals: [] }, "1 more approval (tty)"],
  ["a voided approval is none", { approvals: [approval({ voided: true })] }, "1 more approval (tty)"],
  [
    "the digest of another change does not count",
    { approvals: [approval({ digest: OTHER })] },
    "1 more approval (tty)",
  ],
  ["intent counts when the change applies exactly", { approvals: [approval({ digest: CHECKSUM })] }, ""],
  [
    "intent does not count after a repair or a rebase",
    { exact: false, approvals: [approval({ digest: CHECKSUM })] },
    "1 more approval (tty)",
  ],
  [
    "the agent's own approval does not count",
    { approvals: [approval({ approver: "copilot" })] },
    "1 more approval (tty)",
  ],
  [
    "nor under another spelling",
    { approvals: [approval({ approver: " CoPilot" })] },
    "1 more approval (tty)",
  ],
  ["nor full-width", { approvals: [approval({ approver: "ｃｏｐｉｌｏｔ" })] }, "1 more approval (tty)"],
  [
    "nor under the other name it is known by",
    { agent: ["worker", "Ada"], approvals: [approval()] },
    "1 more approval (tty)",
  ],
  [
    "two are two people",
    { policy: policyOf({ required: 2 }), approvals: [approval(), approval({ approver: "bob" })] },
    "",
  ],
  [
    "one person twice is one, whatever the capitals",
    { policy: policyOf({ required: 2 }), approvals: [approval(), approval({ approver: "Ada" })] },
    "1 more approval (tty)",
  ],
  [
    "nobody at a terminal does not count",
    { approvals: [approval({ presence: "none" })] },
    "1 more approval (tty)",
  ],
  [
    "nor where the policy says none without saying unattended",
    { policy: policyOf({ presence: "none" }), approvals: [approval({ presence: "none" })] },
    "1 more approval (tty)",
  ],
  [
    "unattended lets it count",
    { policy: policyOf({ unattended: true }), approvals: [approval({ presence: "none" })] },
    "",
  ],
  [
    "unattended never weakens a demanded signature",
    { policy: policyOf({ unattended: true, presence: "signature" }), approvals: [approval()] },
    "1 more approval (signature)",
  ],
  ["a signature is stronger than a terminal", { approvals: [approval({ presence: "signature" })] }, ""],
  [
    "required 0 needs unattended",
    { policy: policyOf({ required: 0 }), approvals: [] },
    "1 more approval (tty)",
  ],
  [
    "required 0 and unattended needs nobody",
    { policy: policyOf({ required: 0, unattended: true }), approvals: [] },
    "",
  ],
  [
    "but a sensitive path still does",
    { policy: policyOf({ required: 0, unattended: true }), sensitive: ["package.json"], approvals: [] },
    "1 more approval and acknowledgement of package.json",
  ],
  ["a sensitive path must be named", { sensitive: [".npmrc"] }, "acknowledgement of .npmrc"],
  ["and is", { sensitive: [".npmrc"], approvals: [approval({ acknowledged: [".npmrc"] })] }, ""],
  [
    "not by an approval that does not count",
    {
      sensitive: [".npmrc"],
      approvals: [approval(), approval({ approver: "copilot", acknowledged: [".npmrc"] })],
    },
    "acknowledgement of .npmrc",
  ],
  [
    "several people may share the naming",
    {
      sensitive: [".npmrc", "Makefile"],
      approvals: [
        approval({ acknowledged: [".npmrc"] }),
        approval({ approver: "bob", acknowledged: ["Makefile"] }),
      ],
    },
    "",
  ],
  [
    "many are counted, not listed",
    { sensitive: ["a", "b", "c", "d", "e", "f", "g"] },
    "acknowledgement of a, b, c, d, e and 2 more",
  ],
  [
    "a tier raises the number",
    {
      policy: policyOf({ tiers: [{ name: "core", paths: ["src/**"], required: 2 }] }),
    },
    "1 more approval (tty)",
  ],
  [
    "a tier of other paths does not",
    { policy: policyOf({ tiers: [{ name: "db", paths: ["db/**"], required: 2 }] }) },
    "",
  ],
  [
    "a tier is not escaped by capitals",
    {
      policy: policyOf({ tiers: [{ name: "core", paths: ["src/**"], required: 2 }] }),
      paths: ["SRC/a.ts"],
    },
    "1 more approval (tty)",
  ],
  [
    "nor by a link in place of the folder",
    {
      policy: policyOf({ tiers: [{ name: "core", paths: ["src/**"], required: 2 }] }),
      paths: ["src"],
    },
    "1 more approval (tty)",
  ],
  [
    "a tier raises the presence",
    {
      policy: policyOf({ tiers: [{ name: "db", paths: ["src/**"], required: 1, presence: "signature" }] }),
    },
    "1 more approval (signature)",
  ],
  [
    "a tier never lowers what all changes need",
    {
      policy: policyOf({
        required: 2,
        tiers: [{ name: "easy", paths: ["src/**"], required: 1, presence: "none" }],
      }),
    },
    "1 more approval (tty)",
  ],
  [
    "an approval from before a rebase is replayed in vain",
    { digest: OTHER, exact: false, approvals: [approval()] },
    "1 more approval (tty)",
  ],
  [
    "unless survive_rebase",
    { policy: policyOf({ survive_rebase: true }), digest: OTHER, exact: false, approvals: [approval()] },
    "",
  ],
  [
    "which saves no intent: nobody has seen those bytes",
    {
      policy: policyOf({ survive_rebase: true }),
      exact: false,
      approvals: [approval({ digest: CHECKSUM })],
    },
    "1 more approval (tty)",
  ],
]

describe("what an entry still misses", () => {
  for (const [name, question, missing] of TABLE)
    test(name, () => {
      const answer = judge(question)
      expect(answer.missing).toBe(missing)
      expect(answer.satisfied).toBe(missing === "")
    })

  test("the receipt can say that an approval survived a rebase", () => {
    const policy = policyOf({ survive_rebase: true })
    expect(judge({ policy }).survived).toBe(false)
    expect(judge({ policy, digest: OTHER }).survived).toBe(true)
    const both = judge({ policy, digest: OTHER, approvals: [approval({ digest: OTHER }), approval()] })
    expect(both).toMatchObject({ survived: false, counted: [{ digest: OTHER }] })
  })

  test("more approvals never make a satisfied question unsatisfied, and void ones change nothing", () => {
    const some = FastCheck.record({
      approver: FastCheck.constantFrom("ada", "Ada", "bob", "copilot"),
      digest: FastCheck.constantFrom(DIGEST, CHECKSUM, OTHER),
      presence: FastCheck.constantFrom("tty", "none", "signature"),
      acknowledged: FastCheck.subarray([".npmrc", "Makefile"]),
      voided: FastCheck.boolean(),
    }) as FastCheck.Arbitrary<StoredApproval>
    FastCheck.assert(
      FastCheck.property(
        FastCheck.array(some, { maxLength: 6 }),
        some,
        FastCheck.boolean(),
        FastCheck.constantFrom(0, 1, 2),
        FastCheck.boolean(),
        (approvals, extra, exact, required, unattended) => {
          const question = {
            exact,
            sensitive: [".npmrc"],
            policy: policyOf({ required, unattended }),
          }
          const before = judge({ ...question, approvals })
          const after = judge({ ...question, approvals: [...approvals, extra] })
          if (before.satisfied) expect(after.satisfied).toBe(true)
          if (extra.voided || extra.digest === OTHER) expect(after).toEqual(before)
          for (const one of after.counted) expect(one.approver).not.toBe("copilot")
          if (after.satisfied) expect(after.counted.length).toBeGreaterThanOrEqual(Math.max(1, required))
        },
      ),
    )
  })
})

test("a rejection is no approval", () => {
  const row = {
    approver: "ada",
    digest: DIGEST,
    presence: "tty",
    acknowledged: '["x"]',
    voided_at: null,
  } as const
  expect(
    storedApprovals([
      { ...row, decision: "reject" },
      { ...row, decision: "approve", voided_at: 7 },
    ]),
  ).toEqual([{ approver: "ada", digest: DIGEST, presence: "tty", acknowledged: ["x"], voided: true }])
})

describe("what an approval binds", () => {
  const file = (text: string, mode: "100644" | "100755" = "100644") => ({
    mode,
    bytes: new TextEncoder().encode(text),
  })
  const effects: readonly FileEffect[] = [
    { path: "b", before: file("old"), after: file("new") },
    { path: "a", before: null, after: file("x") },
    { path: "c", before: file("gone"), after: null },
  ]

  test("the stored proof gives the same digest as the bytes, in any order", () => {
    const digest = approvalDigest(CHECKSUM, effects)
    expect(digestOfProof(CHECKSUM, verifiedEffects(effects).reverse())).toBe(digest)
    expect(verifiedEffects(effects).map((effect) => effect.operation)).toEqual(["update", "add", "delete"])
  })

  test("any byte, mode, path or checksum makes another digest", () => {
    const digest = approvalDigest(CHECKSUM, effects)
    const [first, ...rest] = effects
    const changed: readonly (readonly FileEffect[])[] = [
      [{ ...first!, after: file("new\n") }, ...rest],
      [{ ...first!, after: file("new", "100755") }, ...rest],
      [{ ...first!, after: null }, ...rest],
      [{ ...first!, path: "B" }, ...rest],
      rest,
    ]
    const digests = [approvalDigest(OTHER, effects), ...changed.map((one) => approvalDigest(CHECKSUM, one))]
    expect(new Set([digest, ...digests]).size).toBe(digests.length + 1)
  })

  test("a decision about one entry is its digest; about several, a digest over all of them", () => {
    const one = { entryId: 1, digest: DIGEST }
    const two = { entryId: 2, digest: OTHER }
    expect(decisionDigest([one])).toBe(DIGEST)
    expect(decisionDigest([one, two])).toBe(decisionDigest([two, one]))
    expect(decisionDigest([one, two])).not.toBe(decisionDigest([one, { ...two, digest: DIGEST }]))
  })

  test.each([
    ["0123ab", true],
    [" 0123AB ", true],
    ["0123ab7", true],
    ["0123a", false],
    ["", false],
    ["0123ac", false],
    ["123ab7", false],
  ] as const)("typed %p: %p", (typed, confirmed) => {
    expect(confirms(typed, `0123ab7${"0".repeat(57)}`)).toBe(confirmed)
  })
})
