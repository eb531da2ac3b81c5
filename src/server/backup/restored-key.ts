import { createSecretBox } from '../../storage/secret/box.ts'
import { type Config, parseEncryptionKey } from '../configuration/config.ts'
import {
  findEncryptionKeys,
  keepEncryptionKey,
  openEncryptionKeys,
  removeKeptEncryptionKey,
} from '../configuration/encryption-keys.ts'
import { StartError } from '../start-error.ts'

/**
 * Makes sure that the encryption key of the stored secrets is there before they are. One that came with the backup is kept in the data
 * folder. Returns what takes that back. Throws `StartError` if the key is nowhere.
 */
export async function ensureRestoredKey(
  { dataDir, encryptionKeys }: Config,
  neededId: string | null,
  archived: readonly string[],
): Promise<() => Promise<void>> {
  const nothing = async () => undefined
  if (neededId === null) {
    await openEncryptionKeys(dataDir, encryptionKeys)
    return nothing
  }
  const present = await findEncryptionKeys(dataDir, encryptionKeys)
  if (present.some((key) => idOf(key) === neededId)) return nothing
  const brought = archived.flatMap((text) => parseEncryptionKey(text) ?? []).find((key) => idOf(key) === neededId)
  if (!brought) throw new StartError(missingKey)
  if (idOf(await keepEncryptionKey(dataDir, brought)) !== neededId)
    throw new StartError(
      `${dataDir} has another encryption key than the backup. Set SIGNALBOX_DATA_DIR to an empty folder.`,
    )
  return () => removeKeptEncryptionKey(dataDir)
}

const missingKey =
  'The secrets in the backup are wrapped with an encryption key that is not here. Set SIGNALBOX_ENCRYPTION_KEY to the one that the ' +
  'installation had; without DATABASE_URL it was in the file `encryption-key` of its data folder.'

function idOf(key: Buffer): string {
  return createSecretBox([key]).sealingKeyId
}
