// PM2 keeps `wa run-scheduler` alive. `wa service pm2` prints this file.
module.exports = {
  apps: [
    {
      name: "wa-scheduler",
      script: @SCRIPT@,
      args: @RUN_SCHEDULER@,
      env: @ENVIRONMENT@,
      cwd: "/",
      interpreter: "none",
      autorestart: true,
      // 3: logged out or replaced; 5: banned. Starting again would make it worse: see to it, then `pm2 start`.
      stop_exit_codes: [3, 5],
      // First after 0.2 s, then slower and slower up to 15 s, and it never gives up.
      exp_backoff_restart_delay: 200,
      // A message in hand is finished first, which takes up to 5 s.
      kill_timeout: 8000,
    },
@SERVE_APP@@BACKUP_APP@  ],
};
