import type { RequestKind, TaskRequest } from "../domain/request.ts"
import { quoted } from "../domain/violation.ts"

/** A field the engineer filled in, its value, and the evidence in one sentence. */
export interface Reason {
  readonly field: "kind" | "acceptance_criteria" | "priority"
  readonly value: string | number | readonly string[]
  readonly why: string
}

const DOC_PATH =
  /\.(?:md|mdx|markdown|rst|adoc|txt)$|^docs?\/|(?:^|\/)(?:readme|changelog|license|authors|contributing)$/i

/** Conventional-commit types and what they are in our four kinds. */
const PREFIX: Readonly<Record<string, RequestKind>> = {
  feat: "feature",
  feature: "feature",
  fix: "bugfix",
  bugfix: "bugfix",
  hotfix: "bugfix",
  refactor: "refactor",
  docs: "docs",
  doc: "docs",
}

/** Words that tell a kind, asked in this order when the first word tells nothing. */
const WORDS: readonly (readonly [RequestKind, RegExp])[] = [
  [
    "bugfix",
    /^(?:fix(?:es|ed|ing)?|bugs?|bugfix|crash(?:es|ed|ing)?|regressions?|broken|fails?|failing|leaks?|wrong|incorrect(?:ly)?|repair|resolve[sd]?)$/,
  ],
  [
    "refactor",
    /^(?:refactor(?:ing|ed|s)?|rename[sd]?|move[sd]?|extract(?:ed|s)?|simplif(?:y|ies|ied)|restructure[sd]?|reorgani[sz]e[sd]?|inline[sd]?|deduplicate[sd]?|cleanup|tidy)$/,
  ],
  ["docs", /^(?:docs?|documents?|documentation|readme|changelog|typos?|docstrings?)$/],
  [
    "feature",
    /^(?:add(?:s|ed)?|implement(?:s|ed)?|support(?:s|ed)?|introduce[sd]?|create[sd]?|allow(?:s|ed)?|enable[sd]?|new)$/,
  ],
]

const wordsOf = (text: string): readonly string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []

const kindOfWord = (word: string | undefined): RequestKind | undefined =>
  word === undefined ? undefined : WORDS.find(([, pattern]) => pattern.test(word))?.[0]

/** What a request is for: as stated, else from its paths, its first word, any word. */
export const classify = (request: TaskRequest): { readonly kind: RequestKind; readonly why: string } => {
  if (request.kind !== undefined) return { kind: request.kind, why: "stated in the request" }
  const prefix = /^([a-z]+)(?:\([^)]*\))?!?:/i.exec(request.summary)?.[1]?.toLowerCase() ?? ""
  if (Object.hasOwn(PREFIX, prefix))
    return { kind: PREFIX[prefix]!, why: `the summary starts with ${quoted(`${prefix}:`)}` }
  if (request.requested_changes.every(({ path }) => DOC_PATH.test(path)))
    return { kind: "docs", why: "every path is documentation" }
  const words = wordsOf(request.summary)
  const first = kindOfWord(words[0])
  if (first) return { kind: first, why: `the summary starts with ${quoted(words[0]!)}` }
  const all = [...words, ...request.requested_changes.flatMap(({ summary }) => wordsOf(summary))]
  for (const [kind, pattern] of WORDS) {
    const word = all.find((candidate) => pattern.test(candidate))
    if (word !== undefined) return { kind, why: `the text says ${quoted(word)}` }
  }
  return { kind: "feature", why: "nothing in the text or the paths says otherwise" }
}

const URGENT =
  /\b(?:urgent(?:ly)?|critical|security|vulnerabilit(?:y|ies)|cve-\d+|data loss|outage|hotfix|asap|production is down)\b/i
const MINOR = /\b(?:nice to have|someday|low priority|cosmetic|minor|typos?|whenever)\b/i
/** 0 (last) to 9 (first); 5 is where ordinary work stands, so these only lean. */
const BY_KIND: Readonly<Record<RequestKind, number>> = { feature: 5, bugfix: 6, refactor: 4, docs: 4 }

/** How soon: by what the words say of urgency, else by kind. */
export const prioritise = (
  request: TaskRequest,
  kind: RequestKind,
): { readonly priority: number; readonly why: string } => {
  const text = `${request.summary}\n${request.context ?? ""}`
  const urgent = URGENT.exec(text)?.[0]
  if (urgent !== undefined) return { priority: 8, why: `the text says ${quoted(urgent)}` }
  const minor = MINOR.exec(text)?.[0]
  if (minor !== undefined) return { priority: 3, why: `the text says ${quoted(minor)}` }
  return { priority: BY_KIND[kind], why: `it is a ${kind === "docs" ? "change of documentation" : kind}` }
}
