import type { Generated } from 'kysely'

export interface SecretTables {
  installation: InstallationTable
}

interface InstallationTable {
  singleton: Generated<boolean>
  cursor_key: Generated<Buffer>
  encryption_key_id: string | null
}
