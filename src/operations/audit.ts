import * as Effect from "effect/Effect"
import { AuditService } from "../audit/AuditService.ts"

/** Recomputes the audit log; `head` is a head that was exported earlier. */
export const verifyAuditLog = (head: string | undefined) =>
  Effect.flatMap(AuditService, (audit) => audit.verify(head))
