import SchemaBuilder from '@pothos/core'
import ComplexityPlugin from '@pothos/plugin-complexity'
import ScopeAuthPlugin, { type AuthFailure } from '@pothos/plugin-scope-auth'
import type { ApiKeyScope } from '../../routing/config/vocabulary.ts'
import { apiKeyScopes } from '../../routing/config/vocabulary.ts'
import { forbidden } from '../kit/authorisation.ts'
import type { GraphQLContext } from '../kit/context.ts'

export interface SchemaTypes {
  Context: GraphQLContext
  DefaultFieldNullability: false
  AuthScopes: Record<ApiKeyScope, boolean>
  Scalars: {
    ID: { Input: string; Output: string }
    DateTime: { Input: Date; Output: Date }
    URL: { Input: string; Output: string }
    SafeInt: { Input: number; Output: number }
    Decimal: { Input: string; Output: string }
    JSONObject: { Input: Readonly<Record<string, unknown>>; Output: Readonly<Record<string, unknown>> }
  }
}

/** The builder of all types of the schema. Fields are non-null by default. */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ScopeAuthPlugin, ComplexityPlugin],
  defaultFieldNullability: false,
  scopeAuth: {
    authorizeOnSubscribe: true,
    authScopes: ({ actor }) =>
      Object.fromEntries(apiKeyScopes.map((scope) => [scope, actor.scopes.has(scope)])) as Record<ApiKeyScope, boolean>,
    unauthorizedError: (_parent, _context, _info, { failure }) => forbidden(scopesIn(failure)),
  },
  // A bounded list costs as one object; a connection multiplies by its page.
  complexity: { defaultComplexity: 1, defaultListMultiplier: 1 },
})

function scopesIn(failure: AuthFailure): string[] {
  if ('failures' in failure) return failure.failures.flatMap(scopesIn)
  return 'scope' in failure ? [failure.scope] : []
}
