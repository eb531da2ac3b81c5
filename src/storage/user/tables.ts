import type { Generated } from 'kysely'
import type { ServingState, UserRole } from '../../routing/config/vocabulary.ts'
import type { VersionedColumns } from '../database/columns.ts'

export interface UserTables {
  app_user: UserTable
}

interface UserTable extends VersionedColumns {
  name: string
  role: UserRole
  state: Generated<ServingState>
}
