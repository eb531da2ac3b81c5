import type { Generated } from 'kysely'

export interface VersionedColumns {
  id: string
  revision: Generated<number>
  created_at: Generated<Date>
  updated_at: Generated<Date>
}
