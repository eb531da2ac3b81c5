import { isDeepStrictEqual } from 'node:util'
import type { AuditChange } from '../../storage/audit/tables.ts'

/** The fields that differ, for the audit log. The values of `secretFields` are masked, because the audit log keeps them permanently. */
export function auditChanges(
  before: object | null,
  after: object | null,
  secretFields: readonly string[] = [],
): AuditChange[] {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])
  return [...fields].flatMap((field) => {
    const old = member(before, field)
    const now = member(after, field)
    if (isDeepStrictEqual(old, now)) return []
    const show = secretFields.includes(field) ? mask : jsonOf
    return [{ field, before: show(old), after: show(now) }]
  })
}

function member(object: object | null, field: string): unknown {
  return (object as Record<string, unknown> | null)?.[field]
}

function jsonOf(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value)
}

function mask(value: unknown): string | null {
  const isNone = value === undefined || value === null || (Array.isArray(value) && value.length === 0)
  return isNone ? null : '"***"'
}
