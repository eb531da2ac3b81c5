import { RefusalError } from '../kit/refusal.ts'

/** Throws `REVISION_CONFLICT` with the current object if the caller expects another revision. */
export function requireRevision(
  object: { readonly id: string; readonly revision: number },
  expectedRevision: number | null | undefined,
  path: readonly string[] = ['input'],
): void {
  if (expectedRevision == null || expectedRevision === object.revision) return
  throw new RefusalError({
    kind: 'revisionConflict',
    code: 'REVISION_CONFLICT',
    path: [...path, 'expectedRevision'],
    message: `It is at revision ${object.revision} now, not ${expectedRevision}: someone changed it. Read the object again, and retry.`,
    expectedRevision,
    actualRevision: object.revision,
    currentId: object.id,
  })
}
