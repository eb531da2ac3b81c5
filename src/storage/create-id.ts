import { randomBytes } from 'node:crypto'
import { formatId, type ObjectType } from '../routing/object-id.ts'

/** A new id of this type. Ids made later sort behind, to the millisecond. */
export function createId(type: ObjectType): string {
  return formatId(type, Date.now(), randomBytes(10))
}
