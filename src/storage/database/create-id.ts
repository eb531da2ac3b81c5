import { randomBytes } from 'node:crypto'
import { formatId, type ObjectType } from '../../routing/config/object-id.ts'

let lastTimeMs = 0
let random: Uint8Array = randomBytes(10)

/**
 * A new id of this type. In this process ids sort in the order in which they were made, whatever the clock does: within one
 * millisecond, or when the clock goes back, the random part of the last id is counted up.
 */
export function createId(type: ObjectType): string {
  const nowMs = Date.now()
  if (nowMs > lastTimeMs) {
    lastTimeMs = nowMs
    random = randomBytes(10)
    // Room to count up without an overflow.
    random[0]! &= 0x7f
  } else {
    random = countedUp(random)
  }
  return formatId(type, lastTimeMs, random)
}

function countedUp(bytes: Uint8Array): Uint8Array {
  const next = Uint8Array.from(bytes)
  for (let i = next.length - 1; i >= 0; i--) {
    next[i]!++
    if (next[i] !== 0) break
  }
  return next
}
