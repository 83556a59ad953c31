import type { Policy } from "../domain/policy.ts"

export interface ModelChoice {
  readonly model: string
  readonly why: string
}

/**
 * Which model an assignment runs on. One that a person named, for this run or in the request, always wins; complexity
 * decides only when nobody did.
 */
export const chooseModel = (
  asked: {
    /** Of the command line. */
    readonly flag?: string | undefined
    readonly metadata: { readonly agent_model?: string | null | undefined; readonly complexity: number }
  },
  policy: Pick<Policy["agent"], "model" | "small_model" | "small_model_max_complexity">,
): ModelChoice => {
  if (asked.flag) return { model: asked.flag, why: "asked for on the command line" }
  if (asked.metadata.agent_model) return { model: asked.metadata.agent_model, why: "stated in the request" }
  const { complexity } = asked.metadata
  const limit = policy.small_model_max_complexity
  return complexity <= limit
    ? { model: policy.small_model, why: `complexity ${complexity} is at most ${limit}` }
    : { model: policy.model, why: `complexity ${complexity} is above ${limit}` }
}
