import type { ProviderModelRow, ProviderRow } from '../../storage/provider/read.ts'
import { builder } from '../schema/builder.ts'

export const ProviderRef = builder.objectRef<ProviderRow>('Provider')

export const ProviderModelRef = builder.objectRef<ProviderModelRow>('ProviderModel')
