/** Why a command changed nothing: data for the caller, the `UserError`s of the contract. */

export type RefusalCode =
  | 'INVALID'
  | 'TAKEN'
  | 'NOT_FOUND'
  | 'FORBIDDEN'
  | 'REVISION_CONFLICT'
  | 'IN_USE'
  | 'FAILED_PRECONDITION'
  | 'LIMIT_EXCEEDED'
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'UNSAFE_URL'
  | 'UPSTREAM_FAILED'

interface RefusalBase {
  /** For a human; without secrets. */
  readonly message: string
  /** The path of the fault in the arguments; null if it has no particular place. */
  readonly path: readonly string[] | null
}

export interface InputRefusal extends RefusalBase {
  readonly kind: 'input' | 'operation'
  readonly code: Exclude<RefusalCode, 'REVISION_CONFLICT' | 'IN_USE'>
}

export interface RevisionConflict extends RefusalBase {
  readonly kind: 'revisionConflict'
  readonly code: 'REVISION_CONFLICT'
  readonly expectedRevision: number
  readonly actualRevision: number
  /** The id of the object as it is now. */
  readonly currentId: string
}

export interface InUseConflict extends RefusalBase {
  readonly kind: 'inUse'
  readonly code: 'IN_USE'
  /** At most 20 ids. */
  readonly usedByIds: readonly string[]
}

export type Refusal = InputRefusal | RevisionConflict | InUseConflict

/** Thrown inside a command to roll it back. `commitChange` returns it as data, so it never leaves control/. */
export class RefusalError extends Error {
  override name = 'Refused'
  readonly refusals: readonly Refusal[]

  constructor(...refusals: readonly Refusal[]) {
    super(refusals.map((refusal) => refusal.message).join(' '))
    this.refusals = refusals
  }
}

/** A fault in the arguments. */
export function refuseInput(code: InputRefusal['code'], path: readonly string[], message: string): RefusalError {
  return new RefusalError({ kind: 'input', code, path, message })
}

/** A refusal that is not a fault in the arguments. */
export function refuseOperation(
  code: InputRefusal['code'],
  message: string,
  path: readonly string[] | null = null,
): RefusalError {
  return new RefusalError({ kind: 'operation', code, path, message })
}
