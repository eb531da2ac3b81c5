import type { Db } from '../database/db.ts'

/** What is one for the whole installation. */
export interface Installation {
  /** 32 bytes that sign cursors. */
  readonly cursorKey: Buffer
  /** The encryption key that new secrets are wrapped with; null: nobody has said. */
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

/** Has new secrets wrapped with this key, in every process that has it. */
export async function setEncryptionKeyId(db: Db, id: string): Promise<void> {
  await db.updateTable('installation').set({ encryption_key_id: id }).execute()
}
