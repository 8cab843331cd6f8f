package store
import ("testing";"context";"os";"path/filepath";"github.com/stretchr/testify/require";"github.com/berthkit/berth/reservation";"github.com/berthkit/berth/pool";"time")
func TestSmoke(t *testing.T){
 ctx:=context.Background()
 p:=filepath.Join(t.TempDir(),"x","berth.db")
 _,err:=Open(ctx,p,nil); require.ErrorIs(t,err,ErrMissing)
 require.NoError(t,Create(ctx,p,nil))
 require.ErrorIs(t,Create(ctx,p,nil),ErrExist)
 s,err:=Open(ctx,p,nil); require.NoError(t,err)
 _,err=Open(ctx,p,&Options{Wait:-1}); require.ErrorIs(t,err,ErrBusy); t.Log(err)
 r,err:=s.Revision(ctx); require.NoError(t,err)
 rec:=reservation.Record{Protocol:pool.UDP,Range:pool.MustParseRange("50000-50099"),Kind:reservation.Persistent,Serial:7,Label:"hi",Created:time.Now()}
 r2,err:=s.Commit(ctx,r,[]reservation.Edit{{Op:reservation.EditPut,Record:rec}}); require.NoError(t,err)
 require.NotEqual(t,r,r2)
 ro,err:=Open(ctx,p,&Options{ReadOnly:true}); require.NoError(t,err)
 im,err:=ro.Load(ctx); require.NoError(t,err); require.Len(t,im.Records,1)
 require.NoError(t,ro.Close())
 require.NoError(t,s.Close())
 s,err=Open(ctx,p,nil); require.NoError(t,err)
 im,err=s.Load(ctx); require.NoError(t,err); require.Len(t,im.Records,1); require.Empty(t,s.Repairs())
 require.NoError(t,s.Close())
 require.NoError(t,os.Truncate(p,5000))
 s,err=Open(ctx,p,nil); require.NoError(t,err)
 t.Log(s.Repairs())
 im,err=s.Load(ctx); require.NoError(t,err); require.Len(t,im.Records,1)
 es,_:=os.ReadDir(filepath.Dir(p)); for _,e:=range es{i,_:=e.Info();t.Log(e.Name(),i.Mode(),i.Size())}
}
