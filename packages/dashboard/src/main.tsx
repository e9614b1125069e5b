/** The dashboard's composition root: where it runs, what it is told by its address, and the page it draws into. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { createTheme } from './parts/theme.js';
import { loadConfig, takePrefill } from './session/config.js';
import '@fontsource-variable/inter/wght.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/parts.css';
import './styles/forms.css';
import './styles/tables.css';
import './styles/messages.css';
import './styles/pages.css';

const prefill = takePrefill(location, history);
const theme = createTheme(localStorage, document.documentElement);
const config = await loadConfig(location, fetch);
const root = document.getElementById('root');
if (!root) throw new Error('the page has no #root');
createRoot(root).render(
  <StrictMode>
    <App config={config} prefill={prefill} theme={theme} />
  </StrictMode>,
);
