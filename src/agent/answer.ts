import type { Assignment } from "../domain/assignment.ts"
import { completeAnswer, type JsonRecord } from "../domain/complete-answer.ts"
import { fail, ok, type Result } from "../domain/result.ts"
import { quoted } from "../domain/violation.ts"

/**
 * An agent's document as the answer to its assignment, under the assignment's task, agent and base. Fails with the
 * reason when it answers another task.
 */
export const answerTo = (document: JsonRecord, assignment: Assignment): Result<JsonRecord, string> => {
  const answered = document["task_id"]
  if (answered !== undefined && answered !== assignment.task_id)
    return fail(
      `the answer is for ${typeof answered === "string" ? quoted(answered) : "no task"}, not for ${assignment.task_id}`,
    )
  return ok({
    ...completeAnswer(document, assignment),
    task_id: assignment.task_id,
    agent: assignment.agent,
    ...(document["base_revision"] === undefined && assignment.base_revision !== null
      ? { base_revision: assignment.base_revision }
      : {}),
  })
}
