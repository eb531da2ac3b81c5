import { hash } from 'node:crypto'
import {
  authenticate,
  authenticateAnonymous,
  type Caller,
  findApiKey,
  isOfKeyForm,
  isRefusal,
  type AccessRefusal,
} from '../../routing/access/authorise.ts'
import type { Snapshot } from '../../routing/config/snapshot.ts'
import type { Exchange } from '../http1/server/exchange.ts'

/**
 * Who sends the request: of several keys the first that is known counts. One that this installation cannot have made counts as
 * none: many clients insist on sending some key.
 */
export function callerOf(snapshot: Snapshot, exchange: Exchange, nowMs: number): Caller | AccessRefusal {
  const { key } = exchange.head
  if (key === null) return authenticateAnonymous(snapshot)
  const keyHash = keyHashOf(exchange, key)
  const caller = authenticate(snapshot, keyHash, nowMs)
  return isRefusal(caller) ? callerByOthers(snapshot, exchange, nowMs, caller) : caller
}

function callerByOthers(
  snapshot: Snapshot,
  { head }: Exchange,
  nowMs: number,
  refusal: AccessRefusal,
): Caller | AccessRefusal {
  let mayBeAnonymous = true
  for (const key of head.keys) {
    const keyHash = hash('sha256', key, 'hex')
    const caller = authenticate(snapshot, keyHash, nowMs)
    if (!isRefusal(caller)) return caller
    // A key that was known and is no longer good is no dummy, whatever it looks like.
    if (isOfKeyForm(key) || findApiKey(snapshot, keyHash, nowMs)) mayBeAnonymous = false
  }
  return mayBeAnonymous ? authenticateAnonymous(snapshot) : refusal
}

function keyHashOf({ memory }: Exchange, key: string): string | null {
  if (key !== memory.key) {
    memory.keyHash = hash('sha256', key, 'hex')
    memory.key = key
  }
  return memory.keyHash
}
