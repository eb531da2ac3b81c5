import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import './style/base.css'
import './style/parts.css'
import './style/screens.css'

createRoot(document.getElementById('app')!).render(<App />)
