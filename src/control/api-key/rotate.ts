import { type ApiKeyDraft, listUncallableGrants } from '../../storage/api-key/write.ts'
import { requireWithin } from './authority.ts'
import { type ApiKeySecret, createApiKeySecret, environmentPrefix } from './secret.ts'
import { type Change, commitChange, type CreateInput, type EditInput } from '../change/commit.ts'
import type { Actor, Answer, ControlContext } from '../kit/context.ts'
import { makeOnce } from '../change/idempotency.ts'
import { refuseInput, refuseOperation } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import type { CreatedApiKey } from './create.ts'
import { manageKey, writeIfChanged, requireUnrevoked } from './edit.ts'
import { withDefault, resolveExpiry } from './update.ts'

/** Most replaced secrets that are still valid. */
const maxEarlierSecrets = 3

const maxOverlapMs = 30 * 86_400_000

export interface ApiKeyRotateInput extends EditInput, CreateInput {
  readonly id: string
  /** How long the replaced secret stays valid, in milliseconds; by default it ends at once. */
  readonly overlapMs?: number
  /** Omitted: unchanged; null: never. */
  readonly expiresAt?: Date | null | undefined
}

/**
 * Gives a key another secret; its owner, scopes, routes and grants stay. Without an overlap all earlier secrets end at once.
 */
export function rotateApiKey(
  control: ControlContext,
  actor: Actor,
  input: ApiKeyRotateInput,
): Promise<Answer<CreatedApiKey>> {
  return commitChange(control, { actor, action: 'apiKeyRotate', input }, async (change) => {
    let secret: string | null = null
    // A caller that may not manage the key must not get an earlier answer again either.
    await manageKey(change, input.id, ['input', 'expiresAt'], (before) =>
      makeOnce(change, input, 'apiKeyId', async () => {
        requireRevision(before, input.expectedRevision)
        const made = createApiKeySecret()
        await writeIfChanged(change, before, await rotate(change, before, input, made))
        secret = made.secret
        return { apiKeyId: before.id }
      }),
    )
    return { apiKeyId: input.id, secret }
  })
}

async function rotate(
  change: Change,
  before: ApiKeyDraft,
  input: ApiKeyRotateInput,
  { prefix, hash }: ApiKeySecret,
): Promise<ApiKeyDraft> {
  requireUnrevoked(before)
  if (before.prefix === environmentPrefix)
    throw refuseOperation('FAILED_PRECONDITION', 'The key is that of SIGNALBOX_ADMIN_KEY: change the variable.', [
      'input',
      'id',
    ])
  await requireWithin(change, { ...before, expiresAt: withDefault(input.expiresAt, before.expiresAt) })
  await requireNoFurtherGrants(change, before)
  const overlapMs = requireOverlap(input.overlapMs ?? 0)
  const expiresAt = resolveExpiry(before, input.expiresAt)
  if (expiresAt && expiresAt.getTime() <= Date.now())
    throw refuseOperation('FAILED_PRECONDITION', 'The key has expired: give another `expiresAt`.', ['input', 'id'])
  return { ...before, prefix, hash, expiresAt, earlierSecrets: earlierSecretsOf(before, overlapMs) }
}

/** The caller learns the secret, and with it could use every route access that names the key. */
async function requireNoFurtherGrants(change: Change, key: ApiKeyDraft): Promise<void> {
  if (change.actor.scopes.has('ADMIN')) return
  if ((await listUncallableGrants(change.tx, key.id, change.actor.id)).length === 0) return
  throw refuseOperation('FORBIDDEN', 'A route lists the key in its access, and not the calling one.', ['input', 'id'])
}

function requireOverlap(overlapMs: number): number {
  if (!Number.isInteger(overlapMs) || overlapMs < 0 || overlapMs > maxOverlapMs)
    throw refuseInput('INVALID', ['input', 'overlapMs'], 'An overlap is 0 to 30 days, in milliseconds.')
  return overlapMs
}

function earlierSecretsOf({ hash, earlierSecrets }: ApiKeyDraft, overlapMs: number): ApiKeyDraft['earlierSecrets'] {
  if (overlapMs === 0) return []
  const nowMs = Date.now()
  const kept = [...earlierSecrets.filter(({ untilMs }) => untilMs > nowMs), { hash, untilMs: nowMs + overlapMs }]
  if (kept.length > maxEarlierSecrets)
    throw refuseOperation(
      'LIMIT_EXCEEDED',
      `${maxEarlierSecrets} earlier secrets are still good: wait for one to end, or rotate without an overlap, which ends them all.`,
      ['input', 'overlapMs'],
    )
  return kept
}
