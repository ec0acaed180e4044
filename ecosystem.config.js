// PM2 keeps `wa run-scheduler` alive:  pm2 start ecosystem.config.js && pm2 save
//
// Settings come from the environment in which `pm2 start` runs, then from the
// .env beside this file, then from the one in WA_HOME.
const fs = require("fs");
const path = require("path");

const inVenv = path.join(__dirname, ".venv", "bin", "wa");

module.exports = {
  apps: [
    {
      name: "wa-scheduler",
      script: fs.existsSync(inVenv) ? inVenv : "wa", // else the one in PATH
      args: "run-scheduler",
      interpreter: "none",
      cwd: __dirname,
      autorestart: true,
      // 3: logged out or replaced; 5: banned. Starting again would make it worse: see to it, then `pm2 start`.
      stop_exit_codes: [3, 5],
      // First after 0.2 s, then slower and slower up to 15 s, and it never gives up.
      exp_backoff_restart_delay: 200,
      // A message in hand is finished first, which takes up to 5 s.
      kill_timeout: 8000,
    },
  ],
};
