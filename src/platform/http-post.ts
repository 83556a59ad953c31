import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** No answer came; `reason` never holds an address or a header. */
export class PostFailed extends Data.TaggedError("PostFailed")<{ readonly reason: string }> {
  override get message(): string {
    return this.reason
  }
}

/**
 * Sends a JSON body and gives the answer's status; the answer itself is not read. Interrupting it breaks the connection.
 * A redirect is an answer like another: headers are for the address that was named.
 */
export const postJson = (
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Effect.Effect<number, PostFailed> =>
  Effect.tryPromise({
    try: async (signal) => {
      const answer = await fetch(url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body,
        signal,
        redirect: "manual",
      })
      await answer.body?.cancel()
      return answer.status
    },
    catch: (cause) => {
      const code = (cause as { code?: unknown } | null)?.code
      return new PostFailed({
        reason: typeof code === "string" && /^\w+$/.test(code) ? code : "no connection",
      })
    },
  })
