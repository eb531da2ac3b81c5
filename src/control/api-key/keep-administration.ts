import { countAdministratorKeys, lockAdministration } from '../../storage/api-key/administrators.ts'
import type { Change } from '../change/commit.ts'
import { refuseOperation } from '../kit/refusal.ts'

/**
 * Runs a change that may remove a key with the scope `ADMIN`, and refuses it if no such key is left: then nobody could use the API to
 * create another one. If a key without expiry existed before, one must be left: when the last expiring key ends, there would be none.
 *
 * Call it before anything is locked: concurrent changes of this kind wait here, and then see what is left.
 */
export async function keepAdministration<T>(
  change: Change,
  placeOf: () => readonly string[],
  work: () => Promise<T>,
): Promise<T> {
  await lockAdministration(change.tx)
  const before = await countAdministratorKeys(change.tx)
  const value = await work()
  const after = await countAdministratorKeys(change.tx)
  if (!(before.active > 0 && after.active === 0) && !(before.lasting > 0 && after.lasting === 0)) return value
  throw refuseOperation(
    'FAILED_PRECONDITION',
    'It is the last key with the scope ADMIN that does not expire: create another one first.',
    placeOf(),
  )
}
