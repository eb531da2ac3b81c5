import { createHmac, timingSafeEqual } from 'node:crypto'
import { badUserInput } from './fault.ts'

/** Encodes cursors so that clients can store them, but not construct them. */
export interface CursorCodec {
  /** Returns the cursor of a place (e.g. an object's id) in a list (e.g. `routes`). */
  encode(list: string, place: string): string
  /** Returns the place. Throws `BAD_USER_INPUT` unless `encode` made the cursor for the same list. */
  decode(list: string, cursor: string, argument: string): string
}

const checksumBytes = 9
const maxCursorLength = 1_024

/** The key must be the same in all processes of an installation, and after a restart. */
export function createCursorCodec(readKey: () => Buffer | undefined): CursorCodec {
  const key = () => {
    const read = readKey()
    if (!read) throw new Error('The database cannot be reached yet.')
    return read
  }
  const checksum = (list: string, place: string) =>
    createHmac('sha256', key()).update(`${list}\n${place}`).digest().subarray(0, checksumBytes)
  return {
    encode: (list, place) => Buffer.concat([checksum(list, place), Buffer.from(place)]).toString('base64url'),
    decode(list, cursor, argument) {
      const bytes = Buffer.from(cursor.slice(0, maxCursorLength), 'base64url')
      const place = bytes.subarray(checksumBytes).toString()
      const isOurs =
        bytes.length > checksumBytes &&
        bytes.toString('base64url') === cursor &&
        timingSafeEqual(bytes.subarray(0, checksumBytes), checksum(list, place))
      if (!isOurs)
        throw badUserInput(`\`${argument}\` is not a cursor of this list. Take one from \`pageInfo\` or \`edges\`.`)
      return place
    },
  }
}
