import type { Db } from '../database/db.ts'

/** Values that exist once per installation. */
export interface Installation {
  /** 32 bytes that sign cursors. */
  readonly cursorKey: Buffer
  /** The id of the key that encrypts new secrets; null if none was set. */
  readonly encryptionKeyId: string | null
}

export async function getInstallation(db: Db): Promise<Installation> {
  const row = await db
    .selectFrom('installation')
    .select(['cursor_key as cursorKey', 'encryption_key_id as encryptionKeyId'])
    .executeTakeFirstOrThrow()
  return row
}

/** The encryption key that new secrets are wrapped with; null: nobody has said. Reads nothing that a gateway may not read. */
export async function getEncryptionKeyId(db: Db): Promise<string | null> {
  const row = await db.selectFrom('installation').select('encryption_key_id as id').executeTakeFirstOrThrow()
  return row.id
}

/** Sets the key that encrypts new secrets, in every process that has it. */
export async function setEncryptionKeyId(db: Db, id: string): Promise<void> {
  await db.updateTable('installation').set({ encryption_key_id: id }).execute()
}
