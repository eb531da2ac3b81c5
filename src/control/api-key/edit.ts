import { isDeepStrictEqual } from 'node:util'
import { type ApiKeyDraft, findApiKeyScopes, updateApiKey as writeApiKey } from '../../storage/api-key/write.ts'
import { keepAdministration } from './keep-administration.ts'
import { lockManagedKey } from './authority.ts'
import type { Change, EditInput } from '../change/commit.ts'
import { dropLimits } from '../limit/drop.ts'
import { refuseOperation } from '../kit/refusal.ts'
import { requireRevision } from '../change/require-revision.ts'
import { recordApiKey } from './record.ts'

export function requireUnrevoked(key: ApiKeyDraft): void {
  if (key.revokedAt)
    throw refuseOperation('FAILED_PRECONDITION', 'The key is revoked and cannot be changed. Create a new one.', [
      'input',
      'id',
    ])
}

/** Locks a key that the caller may manage, compares the revision, and writes the result of `edit`. Returns its id. */
export function editApiKey(
  change: Change,
  input: EditInput & { readonly id: string },
  place: readonly string[],
  edit: (before: ApiKeyDraft) => ApiKeyDraft | Promise<ApiKeyDraft>,
): Promise<string> {
  return manageKey(change, input.id, place, async (before) => {
    requireRevision(before, input.expectedRevision)
    await writeIfChanged(change, before, await edit(before))
    return before.id
  })
}

/** Runs a change of a locked key that the caller may manage. `place` is the path of the fault if no administrator would be left. */
export async function manageKey<T>(
  change: Change,
  id: string,
  place: readonly string[],
  work: (before: ApiKeyDraft) => Promise<T>,
): Promise<T> {
  const manage = async () => work(await lockManagedKey(change, id))
  // The scopes of a key never change.
  const scopes = await findApiKeyScopes(change.tx, id)
  return scopes?.includes('ADMIN') ? keepAdministration(change, () => place, manage) : manage()
}

/** Writes a locked key within a change, if it differs. */
export async function writeIfChanged(change: Change, before: ApiKeyDraft, after: ApiKeyDraft): Promise<void> {
  if (isDeepStrictEqual(before, after)) return
  await writeApiKey(change.tx, before, after)
  // A revoked key is never accepted again, so its limits are no longer needed.
  if (after.revokedAt && !before.revokedAt) await dropLimits(change, [after.id])
  recordApiKey(change, before, after)
}
