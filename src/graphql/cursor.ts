import { createHmac, timingSafeEqual } from 'node:crypto'
import { badUserInput } from './fault.ts'

/** Cursors are opaque: clients may keep them, but not make them. */
export interface CursorCodec {
  /** The cursor of the object with this id in a list, e.g. `routes`. */
  encode(list: string, id: string): string
  /** The id. Throws `BAD_USER_INPUT` unless `encode` made the cursor for the same list. */
  decode(list: string, cursor: string, argument: string): string
}

const checksumBytes = 9
const maxCursorLength = 256

/** `key` must be the same in all processes of an installation, and after a restart. */
export function createCursorCodec(key: Buffer): CursorCodec {
  const checksum = (list: string, id: string) =>
    createHmac('sha256', key).update(`${list}\n${id}`).digest().subarray(0, checksumBytes)
  return {
    encode: (list, id) => Buffer.concat([checksum(list, id), Buffer.from(id)]).toString('base64url'),
    decode(list, cursor, argument) {
      const bytes = Buffer.from(cursor.slice(0, maxCursorLength), 'base64url')
      const id = bytes.subarray(checksumBytes).toString()
      const isOurs =
        bytes.length > checksumBytes &&
        bytes.toString('base64url') === cursor &&
        timingSafeEqual(bytes.subarray(0, checksumBytes), checksum(list, id))
      if (!isOurs)
        throw badUserInput(`\`${argument}\` is no cursor of this list. Take one from \`pageInfo\` or \`edges\`.`)
      return id
    },
  }
}
