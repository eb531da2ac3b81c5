import { printSchema } from 'graphql'
import './query.ts'
import './scalars.ts'
import './node.ts'
import './versioned.ts'
import '../backend/type.ts'
import '../user/viewer.ts'
import '../provider/type.ts'
import '../provider/model.ts'
import '../provider/mutations.ts'
import '../provider/probe.ts'
import '../deployment/type.ts'
import '../deployment/endpoint.ts'
import '../deployment/mutations.ts'
import '../route/type.ts'
import '../route/target.ts'
import '../route/explain.ts'
import '../route/revision.ts'
import '../route/mutations.ts'
import '../route/target-mutations.ts'
import '../user/type.ts'
import '../user/mutations.ts'
import '../api-key/type.ts'
import '../api-key/mutations.ts'
import '../limit/subject.ts'
import '../limit/type.ts'
import '../limit/mutations.ts'
import '../budget/type.ts'
import '../budget/mutations.ts'
import '../budget/changed.ts'
import '../config/status.ts'
import '../gateway/mutations.ts'
import '../audit/type.ts'
import '../usage/type.ts'
import '../usage/request-log.ts'
import '../kit/subscription.ts'
import '../route/traffic-subscription.ts'
import '../config/changed.ts'
import '../usage/request-logged.ts'
import '../problem/queries.ts'
import '../problem/subscription.ts'
import { builder } from './builder.ts'

builder.mutationType({
  description:
    'Each field is one transaction. The fields of one operation run in order, and a failure does not undo earlier ones. A field is null only if it failed with an entry in `errors`; the answers of the other fields stay readable, e.g. a new secret.',
})

/** The schema of the API: the public contract, in executable form. */
export const schema = builder.toSchema({ sortSchema: false })

/** `schema.graphql`, as it stands in git. */
export function printedSchema(): string {
  return `${printSchema(schema)}\n`
}
