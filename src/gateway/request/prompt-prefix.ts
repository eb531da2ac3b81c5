import { join } from '../answer/relay.ts'
import { beginning } from '../body/splice.ts'

/** The length of the prompt's start that decides about the endpoint: a shorter prefix is hardly worth caching. */
const prefixBytes = 256
/** The prompt is looked for in so much of the body. */
const searchedBytes = 64 * 1024

/** A hash of the beginning of a prompt; null if there is no JSON body. `head`: the first bytes of the body. */
export function promptPrefixHash(head: readonly Buffer[]): number | null {
  return head.length === 0 ? null : hashOf(promptStart(join(beginning(head, searchedBytes))))
}

/** Where the prompt begins, as far as that tells: behind parameters, which differ from call to call. */
function promptStart(body: Buffer): Buffer {
  for (const name of ['"messages"', '"input"', '"prompt"', '"query"']) {
    const at = body.indexOf(name, 0, 'latin1')
    if (at >= 0) return body.subarray(at, at + prefixBytes)
  }
  return body.subarray(0, prefixBytes)
}

/** FNV-1a. */
function hashOf(bytes: Buffer): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}
