import type { Generated } from 'kysely'
import type { ProviderKind } from '../../routing/vendors/provider-kind.ts'
import type { ModelCategory, ServingState } from '../../routing/config/vocabulary.ts'
import type { PricingColumns } from '../backend/pricing-columns.ts'
import type { VersionedColumns } from '../database/columns.ts'
import type { RequestRulesColumns, AbilityColumns } from '../backend/tables.ts'

export interface ProviderTables {
  provider: ProviderTable
  provider_credential: ProviderCredentialTable
  provider_header: ProviderHeaderTable
  provider_model: ProviderModelTable
}

interface ProviderTable extends VersionedColumns, RequestRulesColumns {
  name: string
  description: string
  kind: ProviderKind
  base_url: string
  state: Generated<ServingState>
  proxy_url: string | null
}

interface ProviderCredentialTable {
  id: string
  provider_id: string
  position: number
  hint: string
  sealed_secret: Buffer
  created_at: Generated<Date>
}

interface ProviderHeaderTable {
  id: string
  provider_id: string
  position: number
  name: string
  sealed_value: Buffer
}

interface ProviderModelTable extends PricingColumns, AbilityColumns {
  id: string
  provider_id: string
  position: number
  upstream_model: string
  categories: ModelCategory[]
}
