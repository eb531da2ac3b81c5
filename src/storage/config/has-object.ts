import type { Db } from '../database/db.ts'
import { storedKinds } from './stored-kinds.ts'
import { subjectKindOf } from '../../routing/config/subject-kind.ts'

/** Whether there is an object with this id, of those that are configured by themselves. */
export async function hasObject(db: Db, id: string): Promise<boolean> {
  const kind = subjectKindOf(id)
  if (!kind) return false
  return (
    (await db.selectFrom(storedKinds[kind].table).select('id').where('id', '=', id).executeTakeFirst()) !== undefined
  )
}
