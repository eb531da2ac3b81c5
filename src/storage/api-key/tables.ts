import type { ColumnType, Generated } from 'kysely'
import type { EarlierSecret } from '../../routing/config/configuration.ts'
import type { ApiKeyScope } from '../../routing/config/vocabulary.ts'
import type { VersionedColumns } from '../database/columns.ts'

export interface ApiKeyTables {
  api_key: ApiKeyTable
  api_key_route: ApiKeyRouteTable
}

export interface ApiKeyTable extends VersionedColumns {
  name: string
  owner_id: string
  prefix: string
  hash: string
  earlier_secrets: ColumnType<EarlierSecret[], string | undefined, string>
  scopes: ApiKeyScope[]
  is_route_bound: Generated<boolean>
  revoked_at: Date | null
  expires_at: Date | null
  last_used_at: Date | null
}

interface ApiKeyRouteTable {
  api_key_id: string
  route_id: string
}
