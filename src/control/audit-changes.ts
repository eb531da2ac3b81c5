import { isDeepStrictEqual } from 'node:util'
import type { AuditChange } from '../storage/configuration-tables.ts'

/**
 * The fields that differ, for the audit log. Give it `"***"` and a counter or hint in place of a secret: what stands here
 * is readable for ever.
 */
export function auditChanges(before: object | null, after: object | null): AuditChange[] {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...fields].flatMap((field) => {
    const old: unknown = (before as Record<string, unknown> | null)?.[field]
    const now: unknown = (after as Record<string, unknown> | null)?.[field]
    return isDeepStrictEqual(old, now) ? [] : [{ field, before: jsonOf(old), after: jsonOf(now) }]
  })
}

function jsonOf(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}
