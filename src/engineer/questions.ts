import type { Operation } from "../domain/change-request.ts"
import { pathProblems } from "../domain/path.ts"
import type { RequestedChange, TaskRequest } from "../domain/request.ts"
import { isExplicit, patchOperation } from "../domain/requested-change.ts"
import { quoted } from "../domain/violation.ts"

/** What a human must say before the work can start. `about` is the place in the request; `id` stays the same between runs. */
export interface Question {
  readonly id: string
  readonly question: string
  readonly about: string
}

/** Fewer words than this, over everything that describes a change, tell nobody what to do. */
const ENOUGH_WORDS = 3
/** Characters of a text in which they would have to stand. */
const READ_OF_A_TEXT = 10_000

/** Everything contradictory, vague or outside the root, in the order of the request. Empty = work can start. */
export const questionsOf = (request: TaskRequest): readonly Question[] => {
  const shared = wordsOf(request.summary, request.context ?? "", ...(request.acceptance_criteria ?? []))
  return [
    ...request.requested_changes.flatMap((change, index) => aboutChange(change, index, shared)),
    ...aboutPaths(request.requested_changes),
  ]
}

const ask = (code: string, about: string, question: string): Question => ({
  id: `${code}@${about}`,
  question,
  about,
})

const aboutChange = (
  change: RequestedChange,
  index: number,
  shared: ReadonlySet<string>,
): readonly Question[] => {
  const at = `requested_changes[${index}]`
  const questions: Question[] = []
  const [problem] = pathProblems(change.path, { style: "posix", isNew: false })
  if (problem)
    questions.push(
      ask(problem.code, `${at}.path`, `${problem.message}. Which file is meant? (${problem.hint})`),
    )
  if (change.patch !== undefined && change.content !== undefined)
    questions.push(
      ask(
        "patch_and_content",
        at,
        `${quoted(change.path)} comes with a patch and with its whole content. Which of the two counts?`,
      ),
    )
  if (change.operation === "delete" && change.content !== undefined && change.content !== "")
    questions.push(
      ask(
        "delete_with_content",
        at,
        `${quoted(change.path)} is to be deleted, yet new content is given. Delete it, or replace its content?`,
      ),
    )
  const does = change.patch === undefined ? null : patchOperation(change.patch)
  if (does !== null && change.operation !== undefined && does !== change.operation)
    questions.push(
      ask(
        "operation_mismatch",
        `${at}.operation`,
        `the operation of ${quoted(change.path)} is ${change.operation}, but its patch is ${NOUN[does]}. Which is meant?`,
      ),
    )
  if (!isExplicit(change) && new Set([...shared, ...wordsOf(change.summary)]).size < ENOUGH_WORDS)
    questions.push(
      ask(
        "vague",
        `${at}.summary`,
        `What exactly should change in ${quoted(change.path)}, and how will you see that it is done? The text does not say.`,
      ),
    )
  return questions
}

const NOUN: Readonly<Record<Operation, string>> = {
  add: "one that adds a file",
  update: "one that changes a file",
  delete: "one that deletes a file",
}

/** The first few different words of some texts: enough to tell whether there are enough. */
const wordsOf = (...texts: readonly string[]): ReadonlySet<string> => {
  const words = new Set<string>()
  for (const text of texts)
    for (const [word] of text.slice(0, READ_OF_A_TEXT).toLowerCase().matchAll(WORD)) {
      words.add(word)
      if (words.size >= ENOUGH_WORDS) return words
    }
  return words
}

/** Two characters of a script written without spaces count as a word. */
const WORD = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}]{1,2}|[\p{L}\p{N}]+/gu

/** A path named several times: fine as summaries of one edit, or as delete then add; else somebody must choose. */
const aboutPaths = (changes: readonly RequestedChange[]): readonly Question[] => {
  const byPath = new Map<string, number[]>()
  for (const [index, { path }] of changes.entries()) {
    const indexes = byPath.get(path)
    if (indexes) indexes.push(index)
    else byPath.set(path, [index])
  }
  const questions: Question[] = []
  for (const [path, indexes] of byPath) {
    if (indexes.length < 2) continue
    const named = indexes.map((index) => changes[index]!)
    const stated = named.flatMap(({ operation }) => operation ?? [])
    const replaced = named.length === 2 && named[0]!.operation === "delete" && named[1]!.operation === "add"
    if (replaced) continue
    const places = indexes.map((index) => `requested_changes[${index}]`).join(", ")
    const last = `requested_changes[${indexes.at(-1)!}]`
    if (new Set(stated).size > 1)
      questions.push(
        ask(
          "contradiction",
          last,
          `${quoted(path)} is to be ${stated.map((operation) => PAST[operation]).join(" and ")} (${places}). What should be there in the end?`,
        ),
      )
    else if (named.some(isExplicit))
      questions.push(
        ask(
          "several_versions",
          last,
          `${quoted(path)} is changed by several entries (${places}), and at least one gives the exact change. Which one counts?`,
        ),
      )
  }
  return questions
}

const PAST: Readonly<Record<Operation, string>> = { add: "added", update: "updated", delete: "deleted" }
