import type { Db } from '../../storage/database/db.ts'
import { countApiKeysOfUsers, listApiKeysOfUsers } from '../../storage/api-key/read.ts'
import { listUsersByIds } from '../../storage/user/read.ts'
import { byId, pagesOf, countsOf } from '../kit/batch.ts'

/** What is read of users, in batches. */
export function userLoaders(db: Db) {
  return {
    user: byId(db, listUsersByIds),
    apiKeysOfUser: pagesOf(db, listApiKeysOfUsers),
    apiKeyCountOfUser: countsOf(db, countApiKeysOfUsers),
  }
}

export const userPayloadParts = { user: ['user'] } as const
