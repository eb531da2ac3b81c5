import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from '../../storage/database/db.ts'
import { type GatewayRow, listProcesses } from '../../storage/gateway/write.ts'
import { getEncryptionKeyId, getInstallation, setEncryptionKeyId } from '../../storage/secret/installation.ts'
import { rewrapSecrets } from '../../storage/secret/rewrap.ts'
import type { SecretBox } from '../../storage/secret/box.ts'
import type { Config } from '../configuration/config.ts'
import type { Log } from '../log/log.ts'
import { migrateWhenReachable, openPersistence } from './persistence.ts'
import { StartError } from '../start-error.ts'

/** Each process learns with its heartbeat, each second, which key is current. */
const learnLimitMs = 15_000
const learnStepMs = 200

/**
 * The encryption key that this process shall wrap new secrets with: that of the installation, or its own if nobody has said.
 * Returns whether its configured key is another one: then the key is being changed. Throws `StartError` if it lacks the key.
 */
export async function adoptEncryptionKey(db: Db, box: SecretBox): Promise<{ readonly isChanging: boolean }> {
  const { encryptionKeyId } = await getInstallation(db)
  if (encryptionKeyId === null) {
    await rewrapSecrets(db, box)
    await setEncryptionKeyId(db, box.sealingKeyId)
  } else sealWith(box, encryptionKeyId)
  return { isChanging: box.sealingKeyId !== box.keyIds[0] }
}

/** The same for a process that writes no secrets and does not change the installation's key. */
export async function followEncryptionKey(db: Db, box: SecretBox): Promise<void> {
  const encryptionKeyId = await getEncryptionKeyId(db)
  if (encryptionKeyId !== null) sealWith(box, encryptionKeyId)
}

function sealWith(box: SecretBox, encryptionKeyId: string): void {
  if (box.sealWith(encryptionKeyId)) return
  throw new StartError(
    'The secrets of this installation are encrypted with another key than SIGNALBOX_ENCRYPTION_KEY. Set it to the key that was ' +
      'used; to change the key, set SIGNALBOX_ENCRYPTION_KEY_PREVIOUS to the one that was used.',
  )
}

/**
 * Makes the configured encryption key the current one and wraps all secrets anew, while everything runs. Returns how many had
 * another key. Throws `StartError` if a gateway that may still be serving does not have the key.
 */
export async function rotateEncryptionKey(db: Db, box: SecretBox): Promise<number> {
  const newId = box.keyIds[0]!
  const lacking = (await listProcesses(db)).filter(({ encryption_key_ids }) => !encryption_key_ids.includes(newId))
  if (lacking.length > 0)
    throw new StartError(
      `These gateways do not have the new key yet: ${lacking.map(describe).join(', ')}. Restart them with SIGNALBOX_ENCRYPTION_KEY set ` +
        'to the new key and SIGNALBOX_ENCRYPTION_KEY_PREVIOUS to the one before; forget those that will not come back with `gatewayForget`.',
    )
  box.sealWith(newId)
  await setEncryptionKeyId(db, newId)
  await untilAllSealWith(newId, db)
  // Once more: a change that was under way may have wrapped with the key before.
  let count = 0
  for (let wrapped = -1; wrapped !== 0; count += wrapped) wrapped = await rewrapSecrets(db, box)
  return count
}

/**
 * At a start with a new key: the only process changes the key by itself. With several processes an operator must run the command when
 * all have the key.
 */
export function changeKeyIfAlone(db: Db, box: SecretBox, hasOthers: boolean, log: Log): void {
  if (hasOthers) {
    log.info(
      {},
      'the encryption key changes with the command rotate-encryption-key, once every process has the new one',
    )
    return
  }
  rotateEncryptionKey(db, box).then(
    (count) => log.info({ secrets: count }, 'secrets were wrapped with the current encryption key'),
    (error: unknown) => log.warn({ err: error }, 'the encryption key could not be changed; run rotate-encryption-key'),
  )
}

async function untilAllSealWith(keyId: string, db: Db): Promise<void> {
  const deadline = performance.now() + learnLimitMs
  for (;;) {
    const others = (await listProcesses(db)).filter(
      ({ state, sealing_key_id }) => state === 'LIVE' && sealing_key_id !== keyId,
    )
    if (others.length === 0) return
    if (performance.now() > deadline)
      throw new StartError(
        `These gateways do not use the new key yet: ${others.map(describe).join(', ')}. Run the command again.`,
      )
    await sleep(learnStepMs)
  }
}

function describe({ id, host, state }: GatewayRow): string {
  return `${id} on ${host || 'an unknown host'} (${state})`
}

/** The command of that name: works beside running processes, and without one. */
export async function runRotation(config: Config, log: Log): Promise<number> {
  await using persistence = await openPersistence(config, log, { joinRunning: true })
  const { database, box } = persistence
  await migrateWhenReachable(database.url, log)
  await adoptEncryptionKey(database.db, box)
  return await rotateEncryptionKey(database.db, box)
}
