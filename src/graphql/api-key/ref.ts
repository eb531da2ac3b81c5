import type { ApiKeyRow } from '../../storage/api-key/read.ts'
import { builder } from '../schema/builder.ts'

export const ApiKeyRef = builder.objectRef<ApiKeyRow>('ApiKey')
