import { countAdministratorKeys, lockAdministration } from '../../storage/api-key/administrators.ts'
import type { Change } from '../change/commit.ts'
import { refuseOperation } from '../kit/refusal.ts'

/**
 * Does what may take away a key with the scope `ADMIN`, and refuses it afterwards if none is left: nobody could use the API to
 * make another one. A key that expires does not count beside one that does not, because its end would be the end of all of them.
 *
 * Call it before anything is locked: whoever else does such a thing waits here, and then sees what is left.
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
    'It is the last key with the scope ADMIN that does not expire: make another one first.',
    placeOf(),
  )
}
